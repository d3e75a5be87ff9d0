"""`make data`: fills data/ with the public sets: `python -m embeddings.training.fetch [SET...]`.

Where DATA_DIR names a folder that has a set, it is copied from there; one that is there already stays. Else
it is downloaded from its public source at a pinned commit and split by a stable hash (docs/training.md). Only
sets whose source is one plain file are downloaded; of the others the message says where they come from.
"""

import csv
import hashlib
import io
import json
import shutil
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from embeddings.errors import Unusable
from embeddings.training.config import SETS
from embeddings.training.settings import Settings
from embeddings.training.whole import whole_file, whole_folder

DATA = Path("data")
_TIMEOUT_S = 60
_MOST_BYTES = 32 << 20
Rows = Iterator[tuple[str, dict[str, object]]]  # part, row


@dataclass(frozen=True, slots=True)
class Origin:
    """A public repository at a commit."""

    repository: str
    commit: str
    path: str  # of the file, or in words where there are several
    rows: Callable[[str], Rows] | None = None  # None: by hand

    @property
    def address(self) -> str:
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{self.path}"


def main(arguments: list[str] | None = None) -> int:
    """Returns 0, or 2 where a set could not be had; the others are there then."""
    names = (sys.argv[1:] if arguments is None else arguments) or list(SETS)
    source = Settings().data_dir
    code = 0
    for name in names:
        try:
            fetch(name, source, DATA)
        except Unusable as reason:
            sys.stderr.write(f"data: {reason}\n")
            code = 2
    return code


def fetch(name: str, source: Path, target: Path, download: "Callable[[Origin], bytes] | None" = None) -> None:
    """Leaves the set in `target`/`name`, whole or not at all. Raises Unusable."""
    if name not in ORIGINS:
        raise Unusable(f"there is no set {name}; there are {', '.join(ORIGINS)}")
    if (source / name).is_dir():
        if source.resolve() == target.resolve():
            return  # there already: by an earlier run, by `dvc pull` or by hand
        with whole_folder(target / name) as made:
            for file in sorted((source / name).glob("*.*")):
                if file.suffix in {".jsonl", ".csv"}:
                    shutil.copyfile(file, made / file.name)
        return
    origin = ORIGINS[name]
    if origin.rows is None:
        raise Unusable(
            f"{name} is not downloaded by this program: it is made from github.com/{origin.repository} "
            f"@{origin.commit}, {origin.path}; put it under DATA_DIR (docs/training.md)"
        )
    content = (download or downloaded)(origin)
    _refuse_other_content(name, hashlib.sha256(content).hexdigest(), target / "fetched.json")
    parts: dict[str, list[str]] = {}
    for part, row in origin.rows(content.decode("utf-8")):
        parts.setdefault(part, []).append(json.dumps(row, ensure_ascii=False) + "\n")
    with whole_folder(target / name) as made:
        for part, lines in parts.items():
            (made / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")


def downloaded(origin: Origin) -> bytes:
    """Raises Unusable: no answer in time, or more bytes than such a file has."""
    try:
        with urllib.request.urlopen(origin.address, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - https above
            content: bytes = answer.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Unusable(f"{origin.address} could not be fetched ({type(error).__name__})") from None
    if len(content) > _MOST_BYTES:
        raise Unusable(f"{origin.address} is larger than {_MOST_BYTES} bytes")
    return content


def _refuse_other_content(name: str, digest: str, ledger: Path) -> None:
    """The first download is believed and noted; every later one must be the same."""
    known: dict[str, str] = json.loads(ledger.read_text(encoding="utf-8")) if ledger.is_file() else {}
    if known.setdefault(name, digest) != digest:
        raise Unusable(f"the source of {name} is not what it was at the first download (sha256 differs)")
    with whole_file(ledger) as new:
        new.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def share(key: str) -> float:
    """0..1, the same for the same key for ever: the first 8 bytes of its sha256."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64


def _sms(content: str) -> Rows:
    """`label TAB text`. Repeats are left out; messages from one template (digits masked) share a part."""
    seen = set()
    for number, row in enumerate(csv.reader(io.StringIO(content), delimiter="\t"), 1):
        text = row[1].strip() if len(row) > 1 else ""
        if not text or text in seen:
            continue
        seen.add(text)
        at = share("".join("0" if letter.isdigit() else letter for letter in text))
        part = "train" if at < 0.7 else "validation" if at < 0.82 else "test"
        yield part, {"id": f"sms-{number}", "text": text, "label": row[0], "lang": "en"}


def _mohler(content: str) -> Rows:
    """A fifth of the questions are unseen; of the others' answers a tenth each are validation and unseen."""
    for number, row in enumerate(csv.DictReader(io.StringIO(content))):
        question, answer = row["id"], row["student_answer"].strip()
        if not answer or answer == "#NAME?":  # a spreadsheet took it for a formula
            continue
        at = share(f"{question}-{number}")
        part = "train" if at < 0.8 else "validation" if at < 0.9 else "test_unseen_answers"
        yield (
            "test_unseen_questions" if share(question) < 0.2 else part,
            {
                "id": f"{question}-{number}",
                "question_id": question,
                "question": row["question"],
                "reference": row["desired_answer"],
                "answer": answer,
                "score_1": float(row["score_me"]),
                "score_2": float(row["score_other"]),
                "score": float(row["score_avg"]),
                "max_score": 5,
            },
        )


_SEMEVAL = ("myrosia/semeval-2013-task7", "5157c69f914e8c581045c03e98f96398d40a91b8", "semeval-3way.zip")
ORIGINS: Mapping[str, Origin] = {
    "sms_spam": Origin(
        "dixitomkar1809/Text-Classification",
        "a1c51df6a873b5d331d5dbf8c3bcaec86242cf17",
        "data/SMSSpamCollection",
        _sms,
    ),
    "mohler": Origin(
        "gsasikiran/Comparative-Evaluation-of-Pretrained-Transfer-Learning-Models-on-ASAG",
        "7ada1c2d2e312e7c11cb5bb895c3f8630dae007d",
        "comparative_evaluation_on_mohler_dataset/dataset/mohler_dataset_edited.csv",
        _mohler,
    ),
    "bot_or_human_convai": Origin(
        "DeepPavlov/convai",
        "54d921f99606960941ece4865a396925dfc264f4",
        "data/data_volunteers.json, data/data_intermediate.json and the training part of 2017",
    ),
    "telegram_spam_ru": Origin(
        "monalenka/telegram-spam-classifier-bot",
        "f17aa007384f838b38036f3846d888252a67d360",
        "data/combined.csv, whose personal data must be masked first",
    ),
    "injection_detection": Origin(
        "meta-llama/PurpleLlama",
        "4be64c3a24442b51c76175e6ec67722cc3f5fe38",
        "CybersecurityBenchmarks/datasets/prompt_injection, with texts of four other sources",
    ),
    "semeval2013_scientsbank": Origin(*_SEMEVAL),
    "semeval2013_beetle": Origin(*_SEMEVAL),
    "saf_en": Origin("SebOchs/SAF", "09949e912d266777a752ac7d51cfcddb4b3f6978", "SAF2_0.zip"),
}

if __name__ == "__main__":
    raise SystemExit(main())
