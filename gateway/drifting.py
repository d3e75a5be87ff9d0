"""Settings -> what stands behind references and comparisons, and who looks for what was found."""

from collections.abc import Callable

from gateway.adapters.database.database import Database
from gateway.adapters.database.drift import DatabaseDrift
from gateway.adapters.database.traffic import DatabaseTraffic
from gateway.adapters.drift_watch import DriftWatch
from gateway.adapters.metrics import Metrics
from gateway.adapters.reports import StoredReports
from gateway.drift.desk import DriftDesk
from gateway.drift.recorder import Recorder, TrafficPace, Unnoted
from gateway.ports import Embedder
from gateway.settings import Settings


class Drifting:
    def __init__(self, settings: Settings, database: Database, metrics: Metrics) -> None:
        shelf = DatabaseDrift(database)
        reports = StoredReports(settings.reports_url, settings.s3)
        self.desk = DriftDesk(shelf, reports, settings.drift_window_h)
        self._watch = DriftWatch(shelf, metrics)

    def start(self) -> None:
        """Inside the running loop."""
        self._watch.start()

    def look(self) -> None:
        """Looks now, not in a quarter of a minute."""
        self._watch.wake()

    async def close(self) -> None:
        await self._watch.close()


def recorder_of(
    settings: Settings, database: Database, embedder: Embedder | None, counted: Callable[[str, int], None]
) -> Recorder | Unnoted:
    """What notes the answers, by the settings. Texts that are not masked are measured and not embedded."""
    if not settings.traffic_per_s:
        return Unnoted()
    pace = TrafficPace(settings.traffic_per_s, settings.traffic_embeddings_per_s)
    return Recorder(
        DatabaseTraffic(database), embedder if settings.mask_personal_data else None, pace, counted
    )
