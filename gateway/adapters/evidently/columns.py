"""Both sides' observations as columns that can be compared, each with its score's threshold."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.adapters.evidently.methods import (
    CATEGORIES,
    FEWEST,
    METHODS,
    NUMBERS,
    Method,
    Told,
    Vectors,
    critical_category,
    critical_number,
    critical_vectors,
    drawn,
    told_apart,
)

_LONGEST = 80  # characters of a category that are shown
# Evidently writes categories into a script of its page as they are: a label `</script>` would end it.
_UNSAFE = {ord(one): f"\\u{ord(one):04x}" for one in "<>&'\"\\\u2028\u2029"}

Side = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Column:
    """What Evidently compares. Of the embedding that is what a classifier says of each row."""

    name: str
    method: Method
    threshold: float
    reference: tuple[list[Any], npt.NDArray[np.intp]]  # values, and the rows that they are of
    current: tuple[list[Any], npt.NDArray[np.intp]]


def comparable(reference: Side, current: Side) -> tuple[list[Column], dict[str, str]]:
    """And for each column that is left out the reason. The threshold depends on how many are left."""
    found: dict[str, tuple[_Values, _Values]] = {}
    notes: dict[str, str] = {}
    for name, method in METHODS.items():
        sides = _values(reference[name], method), _values(current[name], method)
        reason = _left_out(*sides)
        if reason is None:
            found[name] = sides
        else:
            notes[name] = reason
    return [_column(name, *sides, len(found)) for name, sides in found.items()], notes


@dataclass(frozen=True, slots=True)
class _Values:
    """Those of one side that are there."""

    values: Any  # Floats | list[str] | list of vectors
    rows: npt.NDArray[np.intp]


def _values(given: Sequence[Any], method: Method) -> _Values:
    if method is NUMBERS:
        numbers = np.array([np.nan if one is None else one for one in given], np.float64)
        rows = np.flatnonzero(np.isfinite(numbers))
        return _Values(numbers[rows], rows)
    rows = np.flatnonzero([one is not None for one in given])
    if method is CATEGORIES:
        return _Values([_shown(given[row]) for row in rows.tolist()], rows)
    rows = rows[drawn(len(rows))]
    return _Values([_vector(given[row]) for row in rows.tolist()], rows)


def _left_out(reference: _Values, current: _Values) -> str | None:
    sides = reference.values, current.values
    if not len(sides[0]) and not len(sides[1]):
        return "There are no values."
    if min(map(len, sides)) < FEWEST:
        return f"One side has fewer than {FEWEST} values."
    both = [*sides[0], *sides[1]]
    if isinstance(both[0], np.ndarray):
        if len({len(one) for one in both}) > 1:
            return "The vectors are of different lengths: different models made them."
        if not np.isfinite(np.stack(both)).all():
            return "A vector has a figure that is no number."
    if all(np.array_equal(one, both[0]) for one in both):
        return "All values are the same."
    return None


def _column(name: str, reference: _Values, current: _Values, columns: int) -> Column:
    method = METHODS[name]
    sides: tuple[Any, Any] = (reference.values, current.values)
    if method is NUMBERS:
        threshold = critical_number(*sides, columns)
    elif method is CATEGORIES:
        threshold = critical_category(*sides, columns)
    else:
        told = _told(*sides)
        threshold = critical_vectors(told, columns)
        sides = told.reference, told.current
    return Column(name, method, threshold, (list(sides[0]), reference.rows), (list(sides[1]), current.rows))


def _told(reference: list[Vectors], current: list[Vectors]) -> Told:
    return told_apart(np.stack(reference), np.stack(current))


def _vector(halves: str) -> Vectors:
    return np.frombuffer(base64.b64decode(halves), "<f2").astype(np.float32)


def _shown(category: str) -> str:
    """Harmless in a page; a long one by its beginning and its hash, so that no two become one."""
    if len(category) > _LONGEST:
        digest = hashlib.sha256(category.encode("utf-8", "surrogatepass")).hexdigest()
        category = f"{category[:_LONGEST]}... {digest[:8]}"
    return category.translate(_UNSAFE).encode("utf-8", "backslashreplace").decode()
