"""The report among those of Evidently's own service: a view, which nothing of ours needs.

Only the report goes there, no rows. Imported only by the process that compares.
"""

from typing import Any

from evidently._pydantic_compat import parse_obj_as
from evidently.sdk.models import DashboardTabModel, PanelMetric
from evidently.sdk.panels import line_plot_panel
from evidently.ui.workspace import Project, RemoteWorkspace
from requests import Session

from gateway.adapters.evidently.methods import METHODS
from gateway.adapters.evidently.report import MODEL

_TIMEOUT_S = 5.0  # of one request; the engine waits for all of them 10 s


class Timed(RemoteWorkspace):  # type: ignore[misc]
    """Evidently's client waits for ever; this one does not."""

    def _request(self, path: str, method: str, *given: Any, **named: Any) -> Any:
        model = named.pop("response_model", None)
        request = self._prepare_request(path, method, *given, **named)
        with Session() as session:
            response = session.send(request.prepare(), timeout=_TIMEOUT_S)
        response.raise_for_status()
        return response if model is None else parse_obj_as(model, response.json())


def push(snapshot: Any, model: str, url: str, name: str) -> None:
    """Into the project of that name, which is found or created, as are the model's panels. Raises what
    requests and Evidently raise."""
    workspace = Timed(url)
    project = _project(workspace, name)
    workspace.add_run(project.id, snapshot, include_data=False, name=model)
    _keep_panels(workspace, project, model)


def _project(workspace: Timed, name: str) -> Project:
    found = (one for one in workspace.list_projects() if one.name == name)
    return next(found, None) or workspace.create_project(name)


def _keep_panels(workspace: Timed, project: Project, model: str) -> None:
    """A tab of the model, with a line over its runs for each column and for all; what is there stays."""
    dashboard = project.dashboard.model()
    if any(tab.title == model for tab in dashboard.tabs):
        return
    panels = [
        line_plot_panel(
            f"{model}: share of drifted columns", [_line(model, "share", "DriftedColumnsCount", "value_type")]
        ),
        *(
            line_plot_panel(f"{model}: drift of {column}", [_line(model, column, "ValueDrift", "column")])
            for column in METHODS
        ),
    ]
    dashboard.panels.extend(panels)
    dashboard.tabs.append(DashboardTabModel(title=model, panels=[one.id for one in panels]))
    workspace.save_dashboard(project.id, dashboard)


def _line(model: str, which: str, metric: str, label: str) -> PanelMetric:
    return PanelMetric(legend=which, metric=metric, metric_labels={label: which}, metadata={MODEL: model})
