"""The facts a request is made of. Frozen: a change makes a new one. What is personal has no repr.

Over 250 lines: one short class after the other, in the order in which a request meets them.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

# What is looked for. And what is looked for only where a deployment says so: places, organisations and dates
# are what many answers are about.
KINDS = frozenset((
    "PERSON", "PHONE", "EMAIL", "CARD", "IBAN", "IP", "URL", "PASSPORT", "INN", "SNILS", "OMS", "US_SSN",
    "STUDENT_ID", "ADDRESS", "DATE_OF_BIRTH", "USERNAME", "CUSTOM",
))  # fmt: skip
OPTIONAL_KINDS = frozenset(("LOCATION", "ORGANIZATION", "DATE", "AGE", "NRP", "TITLE"))

# What texts are masked for, each by a policy of its own.
MASKED_TASKS = ("chat", "text", "code", "classification", "embedding")


class Language(StrEnum):
    ENGLISH = "en"
    RUSSIAN = "ru"


class Priority(StrEnum):
    """Who goes first where there is not room for all."""

    LIVE = "live"  # somebody waits for the answer
    BATCH = "batch"


class Server(StrEnum):
    """Whose places a request takes."""

    LLM = "llm"
    EMBEDDINGS = "embeddings"
    HERE = "here"  # this process: masking, trained models


class Role(StrEnum):
    ADMIN = "admin"
    TRAINER = "trainer"
    GRADER = "grader"
    METRICS = "metrics"  # may read /metrics and nothing else


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Only Keys makes one; every service method takes it first."""

    key_id: str  # a public name of the key, fit for logs
    role: Role
    requests_per_minute: int
    tokens_per_minute: int = 0  # of prompts and completions; 0: as many as there are
    max_parallel: int = 0  # requests at the models at once; 0: as many as there are places

    @property
    def oversees(self) -> bool:
        """Writes rubrics, reads audits, sees every key's grades."""
        return self.role in (Role.ADMIN, Role.TRAINER)


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a caller's request rate after this request was admitted."""

    limit: int  # requests per minute
    remaining: int
    reset_s: float  # seconds until all of them are there again
    tokens_limit: int = 0  # tokens per minute; 0: no such limit, and the two below say nothing
    tokens_remaining: int = 0
    tokens_reset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that is read as one: a message, a submission."""

    text: str = field(repr=False)
    program: bool = False  # names are looked for in comments and string literals only
    json: bool = False  # a JSON document: escapes in it stand for characters, a bare number is no string
    seams: tuple[int, ...] = ()  # where content parts meet, characters; a name may stand across a seam
    about: str = field(default="", repr=False)  # the task's question: a hero of a book named in it is cited


@dataclass(frozen=True, slots=True)
class MaskingPolicy:
    """What is personal in the texts of one task type."""

    kinds: frozenset[str]  # of KINDS and OPTIONAL_KINDS
    spare_cited: bool = True  # Newton, Pushkin, (Ivanov, 2010) are subject matter and stay
    language: Language | None = None  # names of the other language are not looked for; None: both


KEPT = ""  # the kind of a span that a deployment allows: nothing in it is replaced


@dataclass(frozen=True, slots=True)
class Span:
    """Personal data found in one text: `text[start:end]` in characters."""

    start: int
    end: int
    kind: str  # of KINDS and OPTIONAL_KINDS, or KEPT
    score: float = 1.0  # 0 to 1, the recogniser's own
    recogniser: str = ""  # who found it
    # Spans of one kind and identity are one person or number, however written; "": known by its text alone.
    # A keyed hash, never words.
    identity: str = ""
    base_form: bool = True  # False for an oblique case: another form of the same identity is shown for it
    parts: tuple[tuple[int, int], ...] = ()  # of a full name, those that may stand for it elsewhere


@dataclass(frozen=True, slots=True)
class Masked:
    """Texts fit to leave the gateway, and what stands behind each placeholder (which never leaves)."""

    texts: tuple[str, ...] = field(repr=False)  # a passage with n seams gives n + 1
    originals: Mapping[str, str] = field(repr=False)  # placeholder -> what the caller wrote
    nonce: str = ""  # ends every placeholder and stands nowhere else in the texts
    spans: tuple[tuple[Span, ...], ...] = ()  # for each passage what was replaced, second mentions too
    words: tuple[tuple[str, ...], ...] = field(default=(), repr=False)  # and what stood there

    @property
    def counts(self) -> Mapping[str, int]:
        """Distinct values that were replaced, by kind."""
        return Counter(placeholder[1:].rsplit("_", 2)[0] for placeholder in self.originals)


class Output(StrEnum):
    """What a model answers with."""

    TEXT = "text"
    EMBEDDING = "embedding"
    CLASSIFICATION = "classification"
    GRADE = "grade"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What a model server, or the embeddings service, says it serves."""

    name: str
    context_window: int  # tokens: prompt and answer together, or what an encoder reads of a text
    output: Output = Output.TEXT
    version: str = ""  # empty: not told
    labels: tuple[str, ...] = ()  # of classifications and grades, in the order of probabilities
    ready: bool = True  # False: it is known, and cannot be loaded


class Source(StrEnum):
    """Where a criterion's level comes from."""

    MODEL = "model"
    TESTS = "tests"  # the platform ran the program's tests and says how many passed


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of a rubric. The model picks a whole level; code turns it into points."""

    id: str
    description: str = field(repr=False)
    weight: float  # the criterion's share of the maximum is weight / sum of weights
    source: Source = Source.MODEL


@dataclass(frozen=True, slots=True)
class Constraint:
    """`if CRITERION < BELOW then cap total at CAP`, both shares of a maximum, 0..1."""

    criterion: str
    below: float
    cap: float


@dataclass(frozen=True, slots=True)
class Rubric:
    name: str
    version: str  # semantic: major.minor.patch
    criteria: tuple[Criterion, ...]
    constraints: tuple[Constraint, ...] = ()
    grading_notes: str = field(repr=False, default="")  # to whoever grades, never shown to the student

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class TestResults:
    """What the platform's own run of a program's tests gave; the gateway never runs one."""

    passed: int
    total: int  # at least 1


@dataclass(frozen=True, slots=True)
class Artifact:
    """A submission that lies elsewhere, at a presigned address."""

    url: str = field(repr=False)  # a presigned address is a secret
    sha256: str | None = None  # hex, when the platform says what must lie there


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be graded. `student_id` and `submission_id` are surrogate keys: never sent to a model."""

    text: str = field(repr=False)
    task_type: str  # code | text | classification
    language: str | None
    max_score: float
    question: str | None = field(repr=False, default=None)
    references: tuple[str, ...] = field(repr=False, default=())
    rubric: Rubric | None = None
    rubric_id: str | None = None  # name@version or name, the newest; instead of `rubric`
    labels: tuple[str, ...] = ()  # of a classification
    tests: TestResults | None = None
    artifact: Artifact | None = None
    contract: str = "v1"
    grader: str | None = None  # the caller's wish: auto | llm | embedding; None: not said
    student_id: str | None = field(repr=False, default=None)
    submission_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The model's checked answer to one criterion."""

    level: int
    top_level: int  # the best level there is
    confidence: float | None  # probability of the level among the levels allowed, 0..1; None: not told
    evidence: str = field(repr=False, default="")  # a quote of the submission, or empty
    comment: str = field(repr=False, default="")
    expected: float | None = None  # share of the maximum by the probabilities of all levels; None: not told


@dataclass(frozen=True, slots=True)
class CriterionGrade:
    id: str
    points: float
    max_points: float
    evidence: str = field(repr=False)
    comment: str = field(repr=False)
    share: float  # of max_points, 0..1, before rounding: what a change of the rubric's points starts from


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One question to a model and its raw answer, both masked, as the audit keeps them."""

    criterion: str
    prompt: str = field(repr=False)  # the request's body
    answer: str = field(repr=False)  # the answer's body
    usage: Usage
    ms: float


@dataclass(frozen=True, slots=True)
class Grade:
    """A grade as it is answered. `score` is added up by code from the criteria."""

    score: float
    max_score: float
    comments: str = field(repr=False)
    criteria: tuple[CriterionGrade, ...]
    grader: str
    versions: Mapping[str, str]
    confidence: float | None  # of the least certain criterion
    review_reasons: tuple[str, ...]
    partial: bool
    usage: Usage
    rubric: Rubric  # that the points were added up by
    label: str | None = None  # of a classification
    makeshift: bool = False  # something that should have had a part in it could not be asked
    calls: tuple[ModelCall, ...] = field(repr=False, default=())


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished chat completion, ready to be sent as it is."""

    body: bytes
    usage: Usage
    masked: Mapping[str, int]  # distinct values that were replaced, by kind


@dataclass(slots=True)
class UsageSeen:
    """What a stream has used: nothing until its last event is through. Until then its events, of about a
    token each, are what is known."""

    usage: Usage = field(default_factory=Usage)
    events: int = 0  # passed on


@dataclass(frozen=True, slots=True)
class CompletionStream:
    """A completion as server-sent events, cut anywhere."""

    events: AsyncIterator[bytes]
    masked: Mapping[str, int]
    seen: UsageSeen


@dataclass(frozen=True, slots=True)
class Embedded:
    """Unit vectors in the order of the texts."""

    model: str
    vectors: list[list[float]]
    prompt_tokens: int
    masked: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Classification:
    """A classifier's answer to one text, as it was checked. Every number is within 0..1."""

    label: str
    confidence: float
    probabilities: Mapping[str, float]  # of every label of the model
    needs_review: bool  # the model's own word
    cut: bool  # the text was longer than the model reads


@dataclass(frozen=True, slots=True)
class Estimate(Classification):
    """The embedding grader's answer to one comparison."""

    score: float  # expected share of the maximum


@dataclass(frozen=True, slots=True)
class Comparison:
    """A submission and what it is to be compared with, masked already or about to be."""

    submission: str = field(repr=False)
    references: tuple[str, ...] = field(repr=False)  # 1 to 16; the best one counts
    question: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Classified:
    """Classifications in the order of the texts."""

    model: ServedModel
    predictions: tuple[Classification, ...]
    masked: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Compared:
    """Estimates in the order of the comparisons."""

    model: ServedModel
    estimates: tuple[Estimate, ...]
    masked: Mapping[str, int]
