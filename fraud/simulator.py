"""A world of card payments in which every fraud is known.

The facts are those of the simulator in the Fraud Detection Handbook (chapter 3: Le Borgne, Siblini, Lebichot,
Bontempi; prose CC BY-SA 4.0): 5,000 customers and 10,000 terminals on a square of 100 by 100, 183 days from
2018-04-01, three ways of fraud. The code is our own. A full world has 1.75 million payments, 0.8 % of them
frauds, and takes 1.5 s."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

START = datetime(2018, 4, 1, tzinfo=UTC)  # a Sunday
DAY = 86_400  # seconds
_SIDE, _REACH = 100.0, 5.0
_NOON, _NOON_DEVIATION = DAY / 2, 20_000.0  # seconds
_AT_ONCE = 500  # customers whose distances to all terminals are in memory together: 40 MB

LARGE_AMOUNT = 220.0  # scenario 1: all above it is fraud
_TERMINAL_DAYS = 28  # scenario 2: a terminal is in wrong hands for so long,
_CARD_DAYS = 14  # scenario 3: and a card's number for so long:
_CARD_SHARE, _CARD_FACTOR = 3, 5.0  # one payment in three is the thief's, and five times as large


@dataclass(frozen=True, slots=True)
class World:
    """How much there is of what."""

    customers: int = 5_000
    terminals: int = 10_000
    days: int = 183
    terminals_lost_a_day: int = 2
    cards_lost_a_day: int = 3


@dataclass(frozen=True, slots=True)
class Payments:
    """Ordered by time; every array is [n]."""

    seconds: Integers  # since START
    customer: Integers
    terminal: Integers
    amount: Reals  # two decimals
    scenario: Integers  # 0: honest, 1..3: how it was done

    @property
    def day(self) -> Integers:
        return self.seconds // DAY

    @property
    def fraud(self) -> Integers:
        return (self.scenario > 0).astype(np.int64)

    def __len__(self) -> int:
        return len(self.seconds)


def simulate(world: World, seed: int) -> Payments:
    draw = np.random.default_rng(seed)
    return _stolen_cards(world, _lost_terminals(world, _large_amounts(_honest(world, draw)), draw), draw)


def _honest(world: World, draw: np.random.Generator) -> Payments:
    """Everybody pays at random among the terminals in reach, around noon, about what they always pay."""
    mean = draw.uniform(5.0, 100.0, world.customers)
    rate = draw.uniform(0.0, 4.0, world.customers)  # payments a day
    first, near = _in_reach(world, draw)
    rate[np.diff(first) == 0] = 0.0

    counts = draw.poisson(rate[:, None], (world.customers, world.days))
    customer, day = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
    time = draw.normal(_NOON, _NOON_DEVIATION, len(day)).astype(np.int64)
    kept = (time > 0) & (time < DAY)  # who would pay outside the day does not pay: 3 %
    customer, seconds = customer[kept], (day * DAY + time)[kept]

    amount = draw.normal(mean[customer], mean[customer] / 2)
    amount = np.where(amount < 0, draw.uniform(0.0, 2 * mean[customer]), amount).round(2)
    choice = (draw.random(len(customer)) * np.diff(first)[customer]).astype(np.int64)
    terminal = near[first[customer] + choice]
    order = np.argsort(seconds, kind="stable")
    return Payments(
        seconds[order], customer[order], terminal[order], amount[order], np.zeros(len(order), dtype=np.int64)
    )


def _in_reach(world: World, draw: np.random.Generator) -> tuple[Integers, Integers]:
    """Customer c reaches `near[first[c]:first[c + 1]]`."""
    homes = draw.uniform(0.0, _SIDE, (world.customers, 2))
    places = draw.uniform(0.0, _SIDE, (world.terminals, 2))
    count, near = [], []
    for begin in range(0, world.customers, _AT_ONCE):
        apart = homes[begin : begin + _AT_ONCE, None] - places[None]
        reached = np.einsum("cti,cti->ct", apart, apart) < _REACH**2
        count.append(reached.sum(axis=1))
        near.append(np.nonzero(reached)[1])
    return np.concatenate([[0], np.cumsum(np.concatenate(count))]), np.concatenate(near)


def _large_amounts(payments: Payments) -> Payments:
    """Scenario 1: no pattern at all, only a check that the rest is sound."""
    return _marked(payments, payments.amount > LARGE_AMOUNT, 1)


def _lost_terminals(world: World, payments: Payments, draw: np.random.Generator) -> Payments:
    """Scenario 2: every payment at a lost terminal is fraud."""
    lost = np.zeros((world.terminals, world.days), dtype=bool)
    for day in range(world.days):
        chosen = draw.choice(world.terminals, world.terminals_lost_a_day, replace=False)
        lost[chosen, day : day + _TERMINAL_DAYS] = True
    return _marked(payments, lost[payments.terminal, payments.day], 2)


def _stolen_cards(world: World, payments: Payments, draw: np.random.Generator) -> Payments:
    """Scenario 3: a card's number is known to a thief, who pays more than its owner does."""
    order = np.argsort(payments.customer, kind="stable")  # by customer, then by time
    place = (payments.customer * world.days + payments.day)[order]
    stolen = np.zeros(len(payments), dtype=np.int64)  # how many thieves had it
    for day in range(world.days):
        for customer in draw.choice(world.customers, world.cards_lost_a_day, replace=False):
            begin = customer * world.days + day
            end = customer * world.days + min(day + _CARD_DAYS, world.days)
            low, high = np.searchsorted(place, [begin, end])
            stolen[order[draw.choice(np.arange(low, high), (high - low) // _CARD_SHARE, replace=False)]] += 1
    amount = (payments.amount * _CARD_FACTOR**stolen).round(2)
    changed = Payments(payments.seconds, payments.customer, payments.terminal, amount, payments.scenario)
    return _marked(changed, stolen > 0, 3)


def _marked(payments: Payments, which: NDArray[np.bool_], scenario: int) -> Payments:
    """Later scenarios overwrite earlier ones, as in the handbook."""
    return Payments(
        payments.seconds,
        payments.customer,
        payments.terminal,
        payments.amount,
        np.where(which, scenario, payments.scenario),
    )
