"""The dashboard that lies in the repository is the one that the code writes, and it can be read."""

import json
from typing import Any

import pytest
import yaml

from monitoring.dashboard import FILE, written
from monitoring.panels import WIDTH
from monitoring.rows import ROWS
from tests.monitoring.promtools import MONITORING

PANELS = [panel for row in ROWS for panel in row.panels]


def test_the_dashboard_that_lies_there_is_the_one_that_is_written() -> None:
    assert FILE.read_text() == written()


def test_panels_fill_the_grid_and_cover_each_other_nowhere() -> None:
    taken: dict[tuple[int, int], str] = {}
    panels: list[dict[str, Any]] = json.loads(written())["panels"]
    for panel in panels:
        place = panel["gridPos"]
        x, y = place.get("x", 0), place.get("y", 0)
        for cell in ((x + dx, y + dy) for dx in range(place["w"]) for dy in range(place["h"])):
            assert cell not in taken, (panel["title"], taken[cell])
            taken[cell] = panel["title"]
    assert {x for x, _ in taken} == set(range(WIDTH))
    assert len(taken) == WIDTH * len({y for _, y in taken}), "a hole in the grid"
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel.title))
def test_a_panel_says_what_it_shows_and_names_its_lines(panel: Any) -> None:
    assert panel.description.endswith(".")
    shown = len(panel.queries)
    assert 1 <= shown <= 8
    assert shown == len({query.legend for query in panel.queries})


def test_grafana_and_prometheus_agree_on_how_often_is_scraped() -> None:
    """$__rate_interval follows from it: too short, and rates have holes."""
    source = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text())
    scraped = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["datasources"][0]["jsonData"]["timeInterval"] == scraped
