"""data/ is filled from a folder, or from a public source whose content must not change."""

import json
from pathlib import Path

import pytest

from embeddings.errors import Unusable
from embeddings.training.fetch import ORIGINS, Origin, fetch, share
from tests.training.conftest import messages, write_set

SMS = 'ham\t"Hello, you"\t\t\nspam\tWin 100 now\t\t\nspam\tWin 200 now\t\t\nham\tHello, you\t\t\nham\n'
MOHLER = (
    "id,question,desired_answer,student_answer,score_me,score_other,score_avg\n"
    "1.1,Why?,Because.,So.,4,5,4.5\n1.1,Why?,Because.,#NAME?,4,5,4.5\n"
)


def rows(folder: Path) -> dict[str, list[dict[str, object]]]:
    return {
        file.stem: [json.loads(line) for line in file.read_text().split("\n")[:-1]]
        for file in folder.glob("*.jsonl")
    }


def test_a_set_is_copied_from_the_folder_without_what_is_no_data(tmp_path: Path) -> None:
    write_set(tmp_path / "given", "sms_spam", {"train": messages("train", 1)})
    (tmp_path / "given/sms_spam/README.md").write_text("about")
    fetch("sms_spam", tmp_path / "given", tmp_path / "data")
    assert [file.name for file in (tmp_path / "data/sms_spam").iterdir()] == ["train.jsonl"]
    fetch("sms_spam", tmp_path / "data", tmp_path / "data")  # there already
    assert rows(tmp_path / "data/sms_spam")["train"] == messages("train", 1)


def test_messages_of_one_template_share_a_part_and_repeats_are_left_out(tmp_path: Path) -> None:
    fetch("sms_spam", tmp_path / "none", tmp_path, lambda origin: SMS.encode())
    found = rows(tmp_path / "sms_spam")
    assert sorted(str(row["text"]) for part in found.values() for row in part) == [
        "Hello, you",
        "Win 100 now",
        "Win 200 now",
    ]
    places = {part for part, made in found.items() for row in made if row["label"] == "spam"}
    assert len(places) == 1


def test_an_answer_that_a_spreadsheet_spoiled_is_left_out(tmp_path: Path) -> None:
    fetch("mohler", tmp_path / "none", tmp_path, lambda origin: MOHLER.encode())
    ((row,),) = rows(tmp_path / "mohler").values()
    assert (row["answer"], row["score"], row["max_score"]) == ("So.", 4.5, 5)


def test_a_source_that_has_changed_is_refused_and_the_set_stays(tmp_path: Path) -> None:
    fetch("sms_spam", tmp_path / "none", tmp_path, lambda origin: SMS.encode())
    before = rows(tmp_path / "sms_spam")
    with pytest.raises(Unusable, match="sha256 differs"):
        fetch("sms_spam", tmp_path / "none", tmp_path, lambda origin: (SMS + "ham\tmore\n").encode())
    assert rows(tmp_path / "sms_spam") == before


def test_what_cannot_be_downloaded_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"github\.com/SebOchs/SAF @09949e91"):
        fetch("saf_en", tmp_path / "none", tmp_path)
    with pytest.raises(Unusable, match="there is no set imdb"):
        fetch("imdb", tmp_path / "none", tmp_path)


def test_every_download_is_pinned_to_a_commit_and_encrypted() -> None:
    for origin in ORIGINS.values():
        assert isinstance(origin, Origin)
        assert len(origin.commit) == 40
        assert origin.address.startswith("https://")


def test_the_split_never_changes() -> None:
    assert round(share("1.1"), 6) == 0.688936
