"""Where people speak in a program: comments and string literals. A scanner, no parser: nothing raises."""

import re

# Possessive (`++`, `*+`), so that each character is looked at once: Python 3.11's re has them.
_SPOKEN = re.compile(
    r'''
      """ (?: [^"\\]++ | \\. | "(?!"") )*+ (?:""")?+        # long strings; to the end when not closed
    | \'\'\' (?: [^'\\]++ | \\. | '(?!\'\') )*+ (?:\'\'\')?+
    | /\* (?: [^*]++ | \*(?!/) )*+ (?:\*/)?+                # C, Java, SQL
    | // [^\n]*+                                            # also Python's floor division: a small price
    | \# [^\n]*+
    | (?: ^ | (?<=[\s;]) ) --(?=\s) [^\n]*+                 # SQL; `i--` is no comment
    | "  (?: [^"\\\n]++ | \\. )*+ "?+
    | \' (?: [^'\\\n]++ | \\. )*+ \'?+
    | `  (?: [^`\\]++ | \\. )*+ `?+
    ''',
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_NOT_NEWLINE = re.compile(r"[^\n]")


def spoken_ranges(program: str) -> list[tuple[int, int]]:
    """Where its comments and string literals are, in order."""
    return [spoken.span() for spoken in _SPOKEN.finditer(program)]


def only_spoken(program: str) -> str:
    """The program with everything but comments and string literals blanked: same length, same lines."""
    parts: list[str] = []
    cursor = 0
    for spoken in _SPOKEN.finditer(program):
        parts.append(_blank(program[cursor : spoken.start()]))
        said = spoken[0]
        # A comment's own marks, at each of its lines; in a literal they may be of an escape: `&#1040;`.
        parts.append(said.replace("#", " ").replace("*", " ") if said[0] in "#/" else said)
        cursor = spoken.end()
    parts.append(_blank(program[cursor:]))
    return "".join(parts)


def _blank(code: str) -> str:
    return _NOT_NEWLINE.sub(" ", code)
