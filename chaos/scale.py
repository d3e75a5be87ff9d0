"""How long and how strict: the full run measures, the short one shows in seconds that the same holds.

The short one has few samples and runs on whatever machine a pipeline has, so its bounds are wider; none of
them is a time that a slow machine breaks.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Times in seconds, rates as shares of C, the upstream's measured capacity."""

    # The upstream: C is about 130 requests a second, which two cores ask for ten times over.
    slots: int = 8
    prompt_s: float = 0.03
    token_s: float = 0.003

    capacity_s: float = 10.0  # how long C is measured
    unloaded: float = 0.3
    unloaded_s: float = 30.0
    overloads: tuple[int, ...] = (2, 5, 10)  # times C
    overload_s: float = 60.0
    least_goodput: float = 0.9
    most_slower: float = 2.0  # admitted p99, as a multiple of unloaded p99
    refusal_s: float = 0.020  # p99
    most_memory: float = 1.5  # as a multiple of idle
    settled_s: float = 5.0  # after the spike
    settled_within: float = 1.10

    fault_load: float = 0.5
    before_s: float = 10.0
    fault_s: float = 15.0
    after_s: float = 15.0
    breaker_s: float = 1.0
    open_refusal_s: float = 0.050  # p99
    deadline_s: float = 0.2  # either way
    others_within: float = 1.05
    others_noise_s: float = 0.001  # of a p95 of 3 ms on two cores that others use too
    leak_s: float = 60.0

    back_load: float = 0.7
    back_s: float = 10.0
    back_share: float = 0.95
    most_amplified: float = 1.2

    restarts: int = 20
    readiness_every_s: float = 0.1
    drain_delay_s: float = 0.5  # five looks of a balancer

    batch_items: int = 60
    restarted_s: float = 10.0  # a killed process of several

    flood_rate: float = 1000.0
    flood_s: float = 30.0
    flood_within: float = 1.20

    big_bytes: int = 400_000  # about 100,000 tokens
    big_s: float = 30.0
    big_within: float = 1.5

    soak_s: float = 1800.0
    warm_s: float = 300.0
    soak_fault_every_s: float = 60.0
    soak_fault_s: float = 5.0
    growth_per_hour: float = 0.01


FULL = Scale()
SHORT = Scale(
    slots=4,
    capacity_s=2.0,
    unloaded_s=3.0,
    overloads=(5,),
    overload_s=5.0,
    least_goodput=0.75,
    most_slower=6.0,
    refusal_s=0.5,
    settled_s=3.0,
    settled_within=2.0,
    before_s=2.0,
    fault_s=4.0,
    after_s=6.0,
    breaker_s=2.5,
    open_refusal_s=0.5,
    deadline_s=0.8,
    others_within=3.0,
    others_noise_s=0.1,
    leak_s=20.0,
    back_share=0.9,
    restarts=2,
    batch_items=30,
    restarted_s=60.0,
    flood_rate=300.0,
    flood_s=3.0,
    flood_within=3.0,
    big_s=4.0,
    big_within=5.0,
    soak_s=45.0,
    warm_s=15.0,
    soak_fault_every_s=10.0,
    soak_fault_s=2.0,
    growth_per_hour=10.0,
)
