"""User names: a handle or a nickname that a word or a link says is somebody's.

`@property`, `@media`, `@param` and mentions in a repository look the same, so an @ alone proves nothing. A
word without digits is a name where at most a colon stands between it and a network's name, and the clause
ends.
"""

import re
from collections.abc import Iterator

from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult

from gateway.adapters.presidio.findings import found
from gateway.adapters.presidio.lexicon import lexicon
from gateway.adapters.presidio.reading import TextRecognizer
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
        "todo", "features", "topics", "orgs", "marketplace", "sponsors", "pricing", "users", "enterprise",
        "notifications", "trending", "collections", "blog", "security", "-",
    )
)  # fmt: skip
# Behind "login:" and "github:" they say what must be there, or whose it is not.
_PLAIN_WORDS = frozenset(
    (
        "required", "optional", "unique", "string", "text", "varchar", "invalid", "valid", "failed",
        "success", "successful", "empty", "unknown", "available", "exists", "missing", "tweets", "stories",
        "anonymous", "online", "offline", "desktop", "mobile", "social", "platform", "website", "site",
        "service", "company", "repository", "repo", "photos", "videos", "channel", "messenger",
        "application", "profile", "account", "accounts", "username", "password", "email", "phone",
        "private", "page", "pages", "button", "form", "field", "actions", "copilot", "classroom",
        "workflow", "server", "bot", "bots", "link", "links", "here", "below", "above", "number", "integer",
        "nickname", "games", "game", "community",
    )
)  # fmt: skip
_PART_OF_A_RULE = frozenset(
    (
        "must", "should", "cannot", "can", "not", "has", "is", "be", "at", "least", "min", "max", "unique",
        "required", "valid", "invalid", "chars", "length", "len", "only",
    )
)  # fmt: skip
_NOBODYS = re.compile(
    r"(?:admin|administrator|root|user|test|guest|demo|example|sample|default|username|login|name|player)"
    r"(?:[_.-]?(?:user|admin|name|account|login|test))?[_.-]?\d{0,4}",
    re.IGNORECASE,
)
_HOSTS = (
    r"(?:t\.me|telegram\.me|vk\.com|vkontakte\.ru|ok\.ru|instagram\.com|facebook\.com|fb\.com|twitter\.com|x\.com"
    r"|tiktok\.com/@|linkedin\.com/in|discord\.gg|github\.io)"
)
_LINK = re.compile(
    rf"(?<![\w.@-])(?:(?:www|m|ru)\.)?{_HOSTS}/?(?P<name>(?<=/)[A-Za-z][\w.-]{{2,39}}+|(?<=@)[\w.]{{2,39}}+)(?!\w|/\w)",
    re.I,
)

# Where anybody's work lies: who is linked to is as often a library's maker, so a program needs a word for it.
_CODE_LINK = re.compile(
    r"""(?<![\w.-])(?:
        (?:github|gitlab|bitbucket)\.(?:com|org)[/:](?P<owner>[A-Za-z\d][\w.-]{1,38})(?=[/\s)>"'\],.;!?#]|\Z)
      | git@(?P<host>[\w.-]{4,60}):(?P<own>[A-Za-z\d][\w.-]{1,38})(?=/)
      | (?:codeforces\.com/profile|leetcode\.com/u|hackerrank\.com/profile|atcoder\.jp/users|stepik\.org/users
          |habr\.com/(?:ru/)?users|steamcommunity\.com/id|kaggle\.com|stackoverflow\.com/users/\d{1,9})
        /(?P<profile>[A-Za-z\d][\w.-]{1,39})(?!\w|/\w)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_CODE_LINKING = ("github.", "gitlab.", "git@", "bitbucket.", ".com/", ".jp/", ".org/")
_MAKERS = frozenset(
    (
        "pytorch", "tensorflow", "google", "microsoft", "apache", "python", "torvalds", "facebook",
        "nodejs", "golang", "rust-lang", "kubernetes", "docker", "opencv", "numpy", "scipy", "pandas-dev",
        "scikit-learn", "huggingface", "openai", "django", "pallets", "spring-projects", "vuejs", "angular",
        "twbs", "jquery", "mozilla", "git", "github", "gitlab-org", "aws", "azure", "oracle", "jetbrains",
        "yandex", "gcc-mirror",
    )
)  # fmt: skip

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
# «тг lenapilot», "github: lenapilot", "login: lenapilot password: ..."
_CYRILLIC_NETWORK = (
    r"тг|телег[аеуи]|телеграмм?\w{0,2}|вк(?:онтакте)?|инст(?:аграмм?)?\w{0,2}|дискорд\w{0,2}|скайп\w{0,2}"
    r"|гитхаб\w{0,2}|гитлаб\w{0,2}|ник(?:нейм)?\w{0,2}|стим\w{0,2}"
)
_LATIN_NETWORK = (
    r"telegram|tg|insta(?:gram)?|vk|discord|skype|twitter|github|gitlab|codeforces|leetcode|kaggle|steam"
)
_CLAUSE_ENDS = r"(?=\s{0,2}(?:[\n,;!?)|\"'/]|\.(?:\s|\Z)|\Z|[а-яё]|pass|pwd))"
_TOLD = re.compile(
    rf"(?<![^\W\d_])(?:(?:{_CYRILLIC_NETWORK})(?:\s?[:=—-]\s?|\s)"
    rf"|(?:{_LATIN_NETWORK}|login|логин\w{{0,2}}|user[ _-]?name)[\"']?\s?[:=]\s{{0,2}})[\"']?"
    rf"(?:live:)?(?P<name>[a-z](?-i:[a-z.-]{{3,31}})(?<![.-])){_CLAUSE_ENDS}"
    rf"|(?<![^\W\d_])(?:{_LATIN_NETWORK})\s(?P<dotted>(?-i:[a-z]{{2,20}}[._][a-z\d]{{2,20}})){_CLAUSE_ENDS}"
    r"|(?<![^\W\d_])(?:icq|аськ[аеиу])\s?[:#№—-]?\s?(?P<icq>\d{3}-?\d{2,3}-?\d{2,4})(?![\w-])",
    re.IGNORECASE,
)
# Every branch begins with a plain character: `re` then skips to the next one of them.
_TELLING = re.compile(
    "тг|теле|вк|инст|дискорд|скайп|гит|ник|стим|логин|аськ|telegram|tg|insta|vk|discord|skype|twitter|git(?:hub|lab)"
    "|codeforces|leetcode|kaggle|steam|login|user|icq"
)
_NO_HANDLE_END = re.compile(
    r"\.(?:py|js|ts|yml|yaml|json|md|txt|exe|com|ru|org|net|io|html|css|java|dll|cfg|ini|me|php|app|dev)\Z"
    r"|_(?:id|token|key|name|url|bot|api|list|client)\Z"
)
_NO_WORD = re.compile(r"[\d_#]")
_LINKING = (".me/", ".com/", ".ru/", "tiktok", "discord.gg", "github.io")


class Username(TextRecognizer):
    """What a link or a label gives away."""

    def __init__(self) -> None:
        super().__init__(
            ["USERNAME"],
            supported_language=LANGUAGE,
            name="Username",
            context=["@author", "author:", "автор", "выполнил", "студент", "my repo", "my github"],
        )

    def read(self, text: str) -> list[RecognizerResult]:
        spans = {*_links(text), *_code_links(text), *_handles(text), *_names(text), *_told(text)}
        return [
            found(self, "USERNAME", start, end, score)
            for start, end, score in sorted(spans)
            if _may_be_a_name(text[start:end].lstrip("@").lower())
        ]


def _links(text: str) -> Iterator[tuple[int, int, float]]:
    if any(part in text for part in _LINKING):
        for link in _LINK.finditer(text):
            if link["name"].lower() not in _NO_PERSON:
                yield link.start(), link.start("name") + len(link["name"].rstrip(".-")), SURE


def _may_be_a_name(name: str) -> bool:
    """No decorator, no account of nobody's, and no rule: "must_be_8_chars"."""
    if name in _NO_PERSON or _NOBODYS.fullmatch(name):
        return False
    return len(_PART_OF_A_RULE.intersection(name.split("_"))) < 2


def _code_links(text: str) -> Iterator[tuple[int, int, float]]:
    lower = text.lower()
    if any(part in lower for part in _CODE_LINKING):
        for link in _CODE_LINK.finditer(text):
            group = link.lastgroup or ""
            name = link[group].lower()
            if name not in _MAKERS and name not in _NO_PERSON:
                start, end = link.span(group)
                yield start, end - len(name) + len(name.rstrip(".-")), LIKELY


def _told(text: str) -> Iterator[tuple[int, int, float]]:
    lower = text.lower()
    if len(lower) != len(text):  # a capital that is two small letters
        lower = text
    for telling in _TELLING.finditer(lower):
        if told := _TOLD.match(text, telling.start()):
            group = told.lastgroup or ""
            name = told[group].lower()
            known = name in _PLAIN_WORDS or name in lexicon().not_names_en
            if not known and not _NO_HANDLE_END.search(name):
                yield *told.span(group), LIKELY


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
                Pattern("@name", r"@(?<=[^\n\s@*/][ (,]@)[A-Za-z]\w{4,31}(?![\w@(]|\.\w)", NEEDS_CONTEXT),
                # «@name, подскажи»: no decorator has a comma and Russian words behind it.
                Pattern("spoken to", r"@(?<![\w.]@)[A-Za-z]\w{4,31}(?=, ?[а-яё])", LIKELY),
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
