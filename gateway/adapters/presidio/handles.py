"""User names: a handle or a nickname that a word or a link says is somebody's.

`@property`, `@media`, `@param` and mentions in a repository look the same, so an @ alone proves nothing.
"""

import re
from collections.abc import Iterator

from presidio_analyzer import EntityRecognizer, LocalRecognizer, Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.writing import LANGUAGE, LIKELY, NEEDS_CONTEXT, SURE

# Paths of the networks, decorators, annotations and tags.
_NO_PERSON = frozenset(
    (
        "joinchat", "addstickers", "share", "proxy", "login", "feed", "video", "doc", "docs", "topic",
        "club", "public", "event", "app", "apps", "away", "search", "wall", "explore", "about", "help",
        "settings", "privacy", "terms", "watch", "groups", "pages", "hashtag", "intent", "home", "channel",
        "reel", "stories", "everyone", "here", "property", "staticmethod", "classmethod", "override",
        "overload", "dataclass", "media", "import", "charset", "keyframes", "supports", "param", "params",
        "return", "returns", "author", "since", "version", "throws", "deprecated", "before", "after",
        "nullable", "notnull", "autowired", "inject", "component", "service", "controller", "entity",
        "todo",
    )
)  # fmt: skip
_HOSTS = (
    r"(?:t\.me|telegram\.me|vk\.com|vkontakte\.ru|ok\.ru|instagram\.com|facebook\.com|fb\.com|twitter\.com|x\.com"
    r"|tiktok\.com/@|linkedin\.com/in|discord\.gg|github\.io)"
)
_LINK = re.compile(
    rf"(?<![\w.@-]){_HOSTS}/?(?P<name>(?<=/)[A-Za-z][\w.-]{{2,39}}+|(?<=@)[\w.]{{2,39}}+)(?![\w/])", re.I
)

_NETWORK = (
    r"telegram|telega|tg|телеграмм?\w{0,2}|телег[аеуи]|тг|inst(?:a|agram)|инст(?:аграмм?)?\w{0,2}|vk|вк(?:онтакте)?"
    r"|discord|дискорд\w{0,2}|skype|скайп\w{0,2}|twitter|твиттер\w{0,2}|whats?app|github|гитхаб\w{0,2}|gitlab"
    r"|codeforces|leetcode|steam|стим\w{0,2}"
)
_LABEL_BEFORE = re.compile(
    rf"(?<![^\W\d_])(?:{_NETWORK}|user[ _-]?name|nick(?:name)?|ник(?:нейм)?\w{{0,2}}|handle|login"
    r"|логин\w{0,2}|аккаунт\w{0,2}|account)(?P<between>[^\w\n]{1,4}(?:\w{1,12}[^\w\n]{1,3}){0,2})?\s?\Z",
    re.IGNORECASE,
)
_LONGEST_LABEL = 48  # characters, with two words between: "my handle there is @..."
_OWN = re.compile(r"(?i)(?<!\w)(?:my|мой|моя)\s")
_HANDLE = re.compile(r"@(?<![\w.]@)[A-Za-z][\w.]{2,31}(?<!\.)(?![\w@(])")
# Without an @ a colon or its like must stand between, and the name look like no plain word.
_NAME = re.compile(
    r"(?:[:=—-]|(?<=\s)is(?=\s)|(?<=\s)это(?=\s))\s{0,2}[\"']?"
    r"(?P<name>[A-Za-z][\w.-]{2,31}(?:#\d{4})?)(?<![.-])(?![\w@(/])"
)
_NO_WORD = re.compile(r"[\d_#]")
_LINKING = (".me/", ".com/", ".ru/", "tiktok", "discord.gg", "github.io")


class Username(LocalRecognizer):
    """What a link or a label gives away."""

    def __init__(self) -> None:
        super().__init__(["USERNAME"], supported_language=LANGUAGE, name="Username")

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        spans = {*_links(text), *_handles(text), *_names(text)}
        return [
            found(self, "USERNAME", start, end, score)
            for start, end, score in sorted(spans)
            if text[start:end].lstrip("@").lower() not in _NO_PERSON
        ]


def _links(text: str) -> Iterator[tuple[int, int, float]]:
    if any(part in text for part in _LINKING):
        for link in _LINK.finditer(text):
            if link["name"].lower() not in _NO_PERSON:
                yield link.start(), link.end("name"), SURE


def _handles(text: str) -> Iterator[tuple[int, int, float]]:
    for handle in _HANDLE.finditer(text):
        if _LABEL_BEFORE.search(text, max(0, handle.start() - _LONGEST_LABEL), handle.start()):
            yield *handle.span(), SURE


def _names(text: str) -> Iterator[tuple[int, int, float]]:
    for name in _NAME.finditer(text):
        start, before = name.start(), max(0, name.start() - _LONGEST_LABEL)
        if _NO_WORD.search(name["name"]) or _OWN.search(text, before, start):
            label = _LABEL_BEFORE.search(text, before, start)
            if label and not (label["between"] or "").strip():
                yield *name.span("name"), LIKELY


class Mention(PatternRecognizer):
    """`@name` near words of people who want to be written to; not at a line's start, where decorators are."""

    def __init__(self) -> None:
        super().__init__(
            "USERNAME",
            name="Mention",
            supported_language=LANGUAGE,
            patterns=[
                Pattern("@name", r"@(?<=[^\n\s@*/][ (,]@)[A-Za-z]\w{4,31}(?![\w@(]|\.\w)", NEEDS_CONTEXT)
            ],
            context=[
                "пиши", "пишите", "напиши", "написать", "писать", "связь", "связи", "связаться", "отпис",
                "стучи", "контакт", "личку", "личке", "лс", "ответьте", "мой", "подпис", "write", "message",
                "contact", "dm", "pm", "reach", "ping",
            ],
            global_regex_flags=re.MULTILINE,
        )  # fmt: skip

    def invalidate_result(self, pattern_text: str) -> bool:
        return pattern_text[1:].lower() in _NO_PERSON


def recognizers() -> list[EntityRecognizer]:
    return [Username(), Mention()]
