"""HTML of the pages, made of texts that are nobody's markup. Pure."""

import html
import re
from collections.abc import Collection, Sequence

from ui.highlight import Span, marked

# As the gateway's own header of a report: scripts draw, and fetch nothing.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
_META = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)  # it ends with the first >, whatever is quoted


def passage(text: str, spans: Sequence[Span] = (), *, css: str = "", code: bool = False) -> str:
    """A text as it was typed, with its marks; a long one scrolls, by keyboard too."""
    kind = "passage code" if code else "passage"
    return f'<div class="{kind}" tabindex="0">{marked(text, spans, css=css, label=not css)}</div>'


def sheet(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[int] = ()) -> str:
    """A table whose cells wrap; `numbers` are the places of columns of figures."""

    def line(cells: Sequence[str], tag: str) -> str:
        told = [
            f"<{tag}{_number(place in numbers)}>{_lines(cell)}</{tag}>" for place, cell in enumerate(cells)
        ]
        return f"<tr>{''.join(told)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f'<div class="sheet"><table><thead>{line(head, "th")}</thead><tbody>{body}</tbody></table></div>'


def sandboxed(page: str, height: int) -> str:
    """A whole page of somebody else's in a frame that may run scripts and has no origin: it reaches neither
    the dashboard nor its session, nor anybody else. The policy is of the document around it: a frame made of
    srcdoc inherits it, and to go elsewhere needs its leave."""
    inner = html.escape(page, quote=True)
    style = f"display:block;border:0;width:100%;height:{height}px"
    frame = f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{inner}"></iframe>'
    return f'<!doctype html>{_META}<body style="margin:0">{frame}'


def closed(page: str) -> str:
    """The page as a file to keep, which fetches nothing wherever it is opened. The policy stands before
    anything of the page's; that it may have one of its own does no harm, for both hold."""
    doctype = _DOCTYPE.match(page)
    begin = doctype.end() if doctype else 0
    return f"{page[:begin]}{_META}{page[begin:]}"


def _number(is_one: bool) -> str:
    return ' class="number"' if is_one else ""


def _lines(cell: str) -> str:
    return "<br>".join(html.escape(line.replace("\0", "\u2400")) for line in cell.split("\n"))
