"""A deployment's own masking rules are read whole, or refused with the place of the fault."""

from pathlib import Path

import pytest

from gateway.adapters.masking_file import read_masking_file
from gateway.domain import KINDS, MASKED_TASKS, MaskingPolicy


def written(folder: Path, text: str) -> Path:
    file = folder / "masking.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_a_file_every_kind_is_masked_and_cited_people_stay() -> None:
    lists, policies = read_masking_file(None)
    assert policies == dict.fromkeys(MASKED_TASKS, MaskingPolicy(KINDS))
    assert (lists.allow, lists.deny, lists.student_ids) == ((), (), ())


def test_lists_and_a_policy_of_one_task_are_taken(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        'allow = ["Анна Каренина"]\ndeny = ["Bluebird"]\nstudent_id = ["ST-[0-9]{6}"]\n'
        '[policy.text]\nkinds = ["PERSON", "LOCATION"]\nspare_cited = false\n',
    )
    lists, policies = read_masking_file(file)
    assert lists.allow == ("Анна Каренина",)
    assert lists.deny == ("Bluebird",)
    # What is listed is looked for whatever kinds a policy names.
    wanted = frozenset({"PERSON", "LOCATION", "CUSTOM", "STUDENT_ID"})
    assert policies["text"] == MaskingPolicy(wanted, spare_cited=False)
    assert policies["chat"] == MaskingPolicy(KINDS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("allow = [", "no TOML"),
        ("alow = []", "alow"),
        ('deny = [""]', "deny.0"),
        ('allow = ["!!!"]', "allow.0: an entry needs a letter or a digit"),
        ('student_id = ["(("]', "student_id.0: not a regular expression"),
        ('student_id = ["x*"]', "matches an empty text"),
        ('[policy.essay]\nkinds = ["PERSON"]', "no such task"),
        ("[policy.text]\nkinds = []", "policy.text.kinds: List should have at least 1 item"),
        ('[policy.text]\nspare_cited = "no"', "policy.text.spare_cited"),
        ('[policy.text]\nkinds = ["NAME"]', "policy.text.kinds.0: no such kind"),
        ('deny = ["Quillfeather", 5]', "deny.1"),
    ],
)
def test_a_fault_is_told_with_its_place_and_without_the_lists_words(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ValueError, match=r"masking\.toml") as refused:
        read_masking_file(written(tmp_path, text))
    assert said in str(refused.value)
    assert "Quillfeather" not in str(refused.value)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_masking_file(Path("nowhere.toml"))
