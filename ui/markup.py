"""HTML of the pages, made of texts that are nobody's markup. Pure."""

import html
from collections.abc import Collection, Sequence

from ui.highlight import Span, marked


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
    the dashboard nor its session."""
    inner = html.escape(page, quote=True)
    style = f"border:0;width:100%;height:{height}px"
    return f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{inner}"></iframe>'


def _number(is_one: bool) -> str:
    return ' class="number"' if is_one else ""


def _lines(cell: str) -> str:
    return "<br>".join(html.escape(line.replace("\0", "\u2400")) for line in cell.split("\n"))
