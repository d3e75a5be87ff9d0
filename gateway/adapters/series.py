"""Series of metrics that stay few: labels that are bounded, gauges that are silent until they know."""

from collections.abc import Iterable

from prometheus_client import Gauge, Metric

OTHER = "other"  # what a label is called beyond its bound


class BoundedNames:
    """The first so many names are themselves, all others are one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        if name in self._known:
            return name
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name


class GaugeOnceKnown(Gauge):
    """Without labels, and without a series while it is not known."""

    known = False

    def collect(self) -> Iterable[Metric]:
        families = list(super().collect())
        if not self.known:
            for family in families:
                family.samples.clear()
        return families
