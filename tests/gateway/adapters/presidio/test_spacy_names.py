"""A deployment's own spaCy pipeline finds names in a real worker."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.adapters.presidio.pool import AnalyzerPool
from gateway.domain import KINDS, MaskingPolicy, Passage
from gateway.errors import MaskingUnavailable

# In a process of its own: in this one a stand-in takes spaCy's place.
PIPELINE = """
import sys, spacy
pipeline = spacy.blank("en")
ruler = pipeline.add_pipe("entity_ruler")
people = ["quillfeather", "zorblax"]
ruler.add_patterns([{"label": "PERSON", "pattern": [{"LOWER": name}]} for name in people])
ruler.add_patterns([{"label": "GPE", "pattern": "Zorbville"}])
pipeline.to_disk(sys.argv[1])
"""
TEXT = "so zorblax, from Zorbville, and isaac newton agree"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spacy") / "pipeline"
    subprocess.run([sys.executable, "-c", PIPELINE, str(folder)], check=True)
    return folder


async def test_a_pipelines_people_are_masked_and_its_places_where_a_policy_asks(pipeline: Path) -> None:
    pool = AnalyzerPool(names=False, spacy_model=str(pipeline), timeout_s=30)
    await pool.start()
    try:
        [people] = await pool.analyze([Passage(TEXT)], MaskingPolicy(KINDS))
        [all_kinds] = await pool.analyze([Passage(TEXT)], MaskingPolicy(KINDS | {"LOCATION"}))
    finally:
        await pool.close()
    assert [(TEXT[one.start : one.end], one.kind, one.recogniser) for one in people] == [
        ("zorblax", "PERSON", "SpacyNames")
    ]
    assert [one.kind for one in all_kinds] == ["PERSON", "LOCATION"]


async def test_a_pipeline_that_is_not_there_masks_nothing_and_lets_nothing_through() -> None:
    pool = AnalyzerPool(names=False, spacy_model="no_such_pipeline", timeout_s=30)
    await pool.start()
    try:
        assert not await pool.ready()
        with pytest.raises(MaskingUnavailable):
            await pool.analyze([Passage(TEXT)], MaskingPolicy(KINDS))
    finally:
        await pool.close()
