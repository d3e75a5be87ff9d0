"""Programming languages that are called like people: «Java и Ruby», "written in Julia", "Ruby 3.2".

Privacy wins in doubt: "Julia wrote it in Python" and "In Java, Julia is first" are about a person. A language
it is in one enumeration with a language that is nobody's name, or right beside a word that says so.
"""

import re

_NEAR = 80  # characters read before and after
_CALLED_LIKE_PEOPLE = frozenset((
    "ruby", "julia", "ada", "pascal", "perl", "scala", "haskell", "crystal", "elixir", "dart", "swift",
))  # fmt: skip
_OTHERS = (
    r"(?:java|python|c\+\+|c#|f#|javascript|typescript|kotlin|rust|golang|fortran|cobol|lisp|clojure|erlang|php|sql"
    r"|matlab|prolog|ocaml|node\.js|objective-c|bash|html|css)(?![\w+#])"
)
_ANY = rf"(?:{_OTHERS}|(?:{'|'.join(sorted(_CALLED_LIKE_PEOPLE))})(?!\w))"
_AND = r"(?:[ ]?/[ ]?|,?[ ](?:and|or|vs\.?|versus|и|или|либо)[ ])"
_LISTED = re.compile(
    rf"(?i)(?<![\w.]){_ANY}(?:(?:,[ ]|{_AND}){_ANY}){{1,9}}"
    r"(?![ ](?!(?:and|or|are|were|is|as|in|for|to|at|и|или|на|в|для|это|как)(?!\w))\w)"  # else a verb
)
_OTHER = re.compile(rf"(?i)(?<!\w){_OTHERS}")
_JOINED = re.compile(_AND, re.IGNORECASE)
_SAID_BEFORE = re.compile(
    r"(?i)(?<!\w)(?:languages?|язык\w*|(?:written|coded|implemented|programs?|programming|code|script) in"
    r"|(?:программ|код|скрипт|пис|напис|реализ)\w* на|compiler for|versions? of)[ ]$"
)
_SAID_AFTER = re.compile(
    r"(?i)[ ](?:on rails|programming|language|syntax|compiler|interpreter|v?\d{1,2}\.\d)"
)


def is_a_programming_language(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]`, a name too, is a language here. Reads 80 characters around it."""
    if text[start:end].lower() not in _CALLED_LIKE_PEOPLE:
        return False
    if _SAID_BEFORE.search(text, max(0, start - _NEAR), start) or _SAID_AFTER.match(text, end):
        return True
    first = max(0, start - _NEAR)
    return any(
        listed.start() <= start - first < listed.end() and _are_languages(listed[0])
        for listed in _LISTED.finditer(text[first : end + _NEAR])
    )


def _are_languages(listed: str) -> bool:
    """Of «Java, Julia» the second may be spoken to; three, or two with an "and", are an enumeration."""
    return bool(_OTHER.search(listed)) and (listed.count(",") > 1 or bool(_JOINED.search(listed)))
