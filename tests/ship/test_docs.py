"""The site of docs/ builds strictly and fetches nothing, and every link of a page leads somewhere."""

import os
import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from scripts.site_links import NoSuchFile, named
from tests.ship.pages import PAGES, ROOT

MKDOCS = ROOT / ".venv-ship/bin/mkdocs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
# What a browser fetches by itself; a link that a person may follow is none.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\bsrc=\"?(https?:)?//|<link[^>]*\bhref=\"?(https?:)?//"
)


def build(home: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [MKDOCS, "build", "--strict", "--site-dir", site], cwd=home, capture_output=True, text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, timeout=110,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    built = build(ROOT, site)
    assert built.returncode == 0, built.stderr[-3000:]
    return site


def test_the_site_builds_strictly(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in PAGES[1:]}
    assert {page for page in pages if not (site / page).is_file()} == set()


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(files) > 40
    assert [
        file.name for file in files if FETCHED.search(text := file.read_text("utf-8")) or "@import" in text
    ] == []


def test_links_to_code_are_names_in_the_site(site: Path) -> None:
    page = (site / "architecture.html").read_text("utf-8")
    assert "<code>gateway/pipeline.py</code>" in page
    assert 'href="../gateway' not in page


def test_what_the_runbooks_speak_of_is_there() -> None:
    text = (ROOT / "docs/runbooks.md").read_text("utf-8")
    code = " ".join(re.findall(r"`([^`\n]+)`", text))
    told = {
        "docs/metrics.md": set(re.findall(r"\bgateway_[a-z_]+\b", code)),
        "monitoring/rules/alerts.yml": set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", code)),
        "gateway/settings.py": {
            name.lower()
            for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", code)
            if not name.startswith(("LLM_MODEL", "EMBEDDINGS_HEADS", "LEAKED"))
        },
    }
    assert all(len(names) > 5 for names in told.values())
    lost = {
        file: [name for name in sorted(names) if name not in (ROOT / file).read_text("utf-8")]
        for file, names in told.items()
    }
    assert lost == {file: [] for file in told}


def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for name in ("mkdocs.yml", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    with (tmp_path / "docs/index.md").open("a") as page:
        page.write("\n[nowhere](nowhere.md) and [no such part](slo.md#no-such-part)\n")
    built = build(tmp_path, tmp_path / "site")
    assert built.returncode != 0
    assert "nowhere.md" in built.stderr
    assert "no-such-part" in built.stderr


def test_links_out_of_the_pages_keep_their_words() -> None:
    page = PurePosixPath("decisions/0001.md")
    text = (
        "[`wiring`](../../gateway/wiring.py#L1), [the log](../../CHANGELOG.md), [here](../slo.md#a), [x](#y)"
    )
    said = "`gateway/wiring.py`, the log (`CHANGELOG.md`), [here](../slo.md#a), [x](#y)"
    assert named(text, page) == said
    assert named("```\n[a](../../nowhere.py)\n```\n", page) == "```\n[a](../../nowhere.py)\n```\n"
    with pytest.raises(NoSuchFile, match=r"gateway/nothing\.py"):
        named("[`x`](../../gateway/nothing.py)", page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_opens_a_file_and_a_heading_of_the_repository(page: Path) -> None:
    text = FENCED.sub("", page.read_text("utf-8"))
    lost = []
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (heading and file.suffix == ".md" and heading not in headings(file)):
            lost.append(target)
    assert lost == []


def headings(page: Path) -> set[str]:
    """The names that headings have in a repository and in the site, which agree for ours."""
    text = FENCED.sub("", page.read_text("utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
