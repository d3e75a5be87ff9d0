"""Does the time of a refusal tell how much of a key was right?

    python -m benchmarks.key_timing [--rounds 20000]

Four kinds of wrong keys, interleaved in random order so that a busy machine is busy for all of them: a known
key with another end (its first 40 of 52 characters right, checksum mended), one with nothing right, one that
is mistyped (checksum wrong), and one of another form. Told are medians and, for the pair that would leak, the
difference of the medians with its interval of 95 % by bootstrap, and Mann-Whitney's probability that the
one takes longer than the other (0.5: no difference) with its z.
"""

import argparse
import gc
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.adapters.key_text import _checksum, new_key
from gateway.adapters.keyring import Keyring, add_key
from gateway.domain import Role
from gateway.errors import Unauthenticated

KEYS = 100  # in the file


def refused_ns(ring: Keyring, key: bytes) -> int:
    began = time.perf_counter_ns()
    try:
        ring.caller_for(key)
    except Unauthenticated:
        return time.perf_counter_ns() - began
    raise AssertionError("that key is right")


def with_checksum(body: str) -> bytes:
    return body.encode() + _checksum(body.encode())


def measured(ring: Keyring, known: str, rounds: int) -> dict[str, list[int]]:
    """Nanoseconds of each refusal, by kind."""
    taken: dict[str, list[int]] = {"right start": [], "nothing right": [], "mistyped": [], "another form": []}
    for _ in range(rounds):
        other = new_key()
        kinds = {
            "right start": with_checksum(known[:40] + other[40:46]),
            "nothing right": other.encode(),
            "mistyped": (known[:51] + ("0" if known[51] != "0" else "1")).encode(),
            "another form": random.randbytes(24).hex().encode(),
        }
        for kind in random.sample(list(kinds), len(kinds)):
            taken[kind].append(refused_ns(ring, kinds[kind]))
    return taken


def difference(one: Sequence[int], other: Sequence[int], resamples: int = 400) -> tuple[float, float, float]:
    """Of the medians, with its interval."""
    draws = sorted(
        statistics.median(random.choices(one, k=len(one)))
        - statistics.median(random.choices(other, k=len(other)))
        for _ in range(resamples)
    )
    low, high = draws[int(resamples * 0.025)], draws[int(resamples * 0.975)]
    return statistics.median(one) - statistics.median(other), low, high


def mann_whitney(one: Sequence[int], other: Sequence[int]) -> tuple[float, float]:
    """P(one > other) + P(equal) / 2, and z, with the correction for ties."""
    values = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    total, ranks, ties, place = len(values), 0.0, 0.0, 0
    while place < total:
        end = place
        while end < total and values[end][0] == values[place][0]:
            end += 1
        rank = (place + 1 + end) / 2
        ranks += rank * sum(1 for _, which in values[place:end] if which == 0)
        ties += (end - place) ** 3 - (end - place)
        place = end
    n, m = len(one), len(other)
    u = ranks - n * (n + 1) / 2
    spread = (n * m / 12 * (total + 1 - ties / (total * (total - 1)))) ** 0.5
    return u / (n * m), (u - n * m / 2) / spread


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20_000)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "keys.json")
        known = [add_key(path, f"key-{number}", Role.GRADER) for number in range(KEYS)][KEYS // 2]
        ring = Keyring(path, {}, 100)
        ring.caller_for(known.encode())
        gc.disable()
        taken = measured(ring, known, rounds)
    for kind, times in taken.items():
        print(f"{kind:14} median {statistics.median(times):6.0f} ns  n {len(times)}")
    apart, low, high = difference(taken["right start"], taken["nothing right"])
    longer, z = mann_whitney(taken["right start"], taken["nothing right"])
    print(f"right start - nothing right: {apart:+.0f} ns [{low:+.0f}, {high:+.0f}]")
    print(f"P(right start takes longer): {longer:.4f}, z {z:+.2f}")


if __name__ == "__main__":
    main()
