"""A bounded number of observations, drawn evenly over a window of any size, the same ones each time."""

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, case, cast, func, select

from gateway.adapters.database.drift_tables import traffic
from gateway.drift.facts import Window

LIVE = traffic.c.reference_id.is_(None)
# As the index lies: PostgreSQL does not see that a column that is null needs no place in the order.
BY_TIME = (traffic.c.reference_id, traffic.c.model, traffic.c.at)
# Multiples of this modulo 2**32 fill the range evenly, also multiples of every fifth number (Knuth 6.4).
_GOLDEN, _RANGE = 2_654_435_761, 2**32
_SLACK = 4  # thinned out to so many times what is wanted, which then is drawn exactly
_THIN = 20  # a window of so many times what is wanted: numbering all its rows takes 2 s for each million


def live(model: str, window: Window) -> ColumnElement[bool]:
    """The model's observations of the window, references' copies apart."""
    at = traffic.c.at
    return and_(LIVE, traffic.c.model == model, at >= window.since, at < window.until)


def drawn(connection: Connection, which: ColumnElement[bool], most: int) -> tuple[int, list[int]]:
    """How many such observations there are, and the numbers of all, or of `most` of them: of n rows in the
    order of time the i-th when i * most mod n < most, which takes `most` of them as far apart as can be."""
    there = connection.scalar(select(func.count()).select_from(traffic).where(which)) or 0
    if there > _THIN * most:
        number = cast(traffic.c.number, BigInteger) % (_RANGE // 2)
        which = and_(which, number * _GOLDEN % _RANGE < _RANGE * _SLACK * most // there)
    place = (func.row_number().over(order_by=(*BY_TIME, traffic.c.number)) - 1).label("place")
    rows = func.count().over().label("rows")
    placed = select(traffic.c.number, place, rows).where(which).subquery()
    taken = case((placed.c.rows < most, placed.c.rows), else_=most)
    question = select(placed.c.number).where(placed.c.place * taken % placed.c.rows < taken)
    return there, list(connection.scalars(question.order_by(placed.c.place)))
