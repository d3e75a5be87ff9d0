"""One Evidently report a training: has the validation part drifted away from the training part?

Sent to the service at EVIDENTLY_HOST:EVIDENTLY_PORT, into the project that the course names. Only the report
goes there, no rows. Every method is pinned: left alone, Evidently takes another test from 1,000 rows on, and
two runs could not be compared.
"""

import logging
import os
from typing import TYPE_CHECKING, Any

import pandas as pd

from embeddings.training.settings import Settings

if TYPE_CHECKING:
    from evidently.ui.workspace import Project, RemoteWorkspace

log = logging.getLogger(__name__)

EV_PROJECT_NAME = "week-10"
PANEL = "Drift of the texts"
_TAB = "Drift"
_WORDS = ["bot", "бот"]
_TIMEOUT_S = 30.0


def log_evidently(
    train: pd.DataFrame, validation: pd.DataFrame, settings: Settings, name: str = "training"
) -> None:
    """Uploads one report named `name`, of the frames' column `text`. Without EVIDENTLY_HOST nothing happens;
    where the service cannot be reached or refuses, the log warns: a training is not lost for a picture."""
    if not settings.evidently_host:
        log.info("no drift report: EVIDENTLY_HOST is not set")
        return
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # Imported here: evidently takes ten seconds, and most trainings send no report.
    from evidently.errors import EvidentlyError  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415

    try:
        workspace = _workspace(f"http://{settings.evidently_host}:{settings.evidently_port}")
        project = _project(workspace)
        workspace.add_run(project.id, report(train, validation), include_data=False, name=name)
        _keep_panel(project)
    except (RequestException, EvidentlyError, ValueError) as error:
        log.warning("the drift report could not be sent to Evidently (%s)", type(error).__name__)


def report(train: pd.DataFrame, validation: pd.DataFrame) -> Any:
    """Evidently's Snapshot of the drift from `train` to `validation`."""
    # Imported here for the same reason.
    from evidently import Report  # noqa: PLC0415
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    # abs_text_content_drift is 20 times as fast as the preset's own choice for texts: the ROC-AUC of a
    # classifier that tells the two parts apart, where above 0.55 counts as drift.
    methods = DataDriftPreset(
        text_method="abs_text_content_drift", num_method="wasserstein", cat_method="jensenshannon"
    )
    return Report([methods]).run(_dataset(validation), _dataset(train))


def _dataset(frame: pd.DataFrame) -> Any:
    # Imported here for the same reason.
    from evidently import DataDefinition, Dataset  # noqa: PLC0415
    from evidently.descriptors import Contains, TextLength  # noqa: PLC0415

    return Dataset.from_pandas(
        frame[["text"]].reset_index(drop=True),
        data_definition=DataDefinition(text_columns=["text"]),
        descriptors=[
            TextLength("text", alias="text length"),
            Contains("text", items=_WORDS, case_sensitive=False, alias="contains bot"),
        ],
    )


def _workspace(address: str) -> "RemoteWorkspace":
    # Imported here for the same reason.
    from evidently.ui.workspace import RemoteWorkspace  # noqa: PLC0415
    from requests import Session  # noqa: PLC0415

    class Timed(RemoteWorkspace):  # type: ignore[misc, unused-ignore]
        """Evidently's client waits for ever; this one does not."""

        def _request(self, path: str, method: str, *given: Any, **named: Any) -> Any:
            model = named.pop("response_model", None)
            request = self._prepare_request(path, method, *given, **named)
            with Session() as session:
                response = session.send(request.prepare(), timeout=_TIMEOUT_S)
            response.raise_for_status()
            return response if model is None else _parsed(model, response.json())

    return Timed(address)


def _parsed(model: Any, content: Any) -> Any:
    # Evidently speaks pydantic 1's language, of whichever pydantic there is.
    from evidently._pydantic_compat import parse_obj_as  # noqa: PLC0415

    return parse_obj_as(model, content)


def _project(workspace: "RemoteWorkspace") -> "Project":
    """Found by its name, or created. The search also finds names that contain it."""
    for found in workspace.search_project(EV_PROJECT_NAME):
        if found.name == EV_PROJECT_NAME:
            return found
    return workspace.create_project(EV_PROJECT_NAME)


def _keep_panel(project: "Project") -> None:
    """A line over the runs; added once."""
    # Imported here for the same reason.
    from evidently.sdk.models import PanelMetric  # noqa: PLC0415
    from evidently.sdk.panels import line_plot_panel  # noqa: PLC0415

    if any(panel.title == PANEL for panel in project.dashboard.model().panels):
        return
    drawn = PanelMetric(legend="drift score", metric="ValueDrift", metric_labels={"column": "text"})
    project.dashboard.add_panel(line_plot_panel(PANEL, [drawn], size="full"), tab=_TAB)
