"""A hook of MkDocs: links from a page to files outside docs/ become the file's name in the site.

In a repository `../gateway/pipeline.py` opens the file. The site has no such page, and the project no address
of its own to link to; a name in code type says where to look.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\[]+)\]\((?P<target>[^)\s:]+)\)")
_FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")


class NoSuchFile(ValueError):
    """A page links to what the repository does not hold."""


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """What MkDocs calls for each page."""
    return named(markdown, PurePosixPath(page.file.src_uri))


def named(markdown: str, source: PurePosixPath) -> str:
    """The page's text, its links out of docs/ replaced; fenced code stays as it is."""
    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_named(markdown[end : fence.start()], source), fence.group()]
        end = fence.end()
    return "".join([*parts, _named(markdown[end:], source)])


def _named(text: str, source: PurePosixPath) -> str:
    def name(link: re.Match[str]) -> str:
        place = normpath(f"docs/{source.parent}/{link['target'].partition('#')[0]}")
        if not link["target"].partition("#")[0] or place.startswith("docs/"):
            return link.group()
        if not (ROOT / place).exists():
            raise NoSuchFile(f"docs/{source} links to {place}, which is not there")
        says = link["text"]
        return f"`{place}`" if _CODE.fullmatch(says) else f"{says} (`{place}`)"

    return _LINK.sub(name, text)
