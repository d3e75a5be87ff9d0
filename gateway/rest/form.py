"""The one file of a multipart form, read as it arrives: it waits neither in memory nor in a temp file."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gateway.errors import InvalidRequest

_PARAM = "file"
_BROKEN = "The form is broken."


@dataclass(frozen=True, slots=True)
class FormFile:
    filename: str = field(repr=False)
    content_type: str
    chunks: AsyncIterator[bytes] = field(repr=False)


async def form_file(content_type: str, body: AsyncIterator[bytes]) -> FormFile:
    """Reads up to the file's first byte. Raises InvalidRequest; so do the chunks, for what is wrong there."""
    _, options = parse_options_header(content_type)
    if not options.get(b"boundary"):
        raise InvalidRequest("A form needs a boundary in its Content-Type.", param="content-type")
    form = _Form(options[b"boundary"])
    while not form.opened:
        chunk = await anext(body, None)
        if chunk is None:
            raise InvalidRequest("The form has no part 'file'.", param=_PARAM)
        form.feed(chunk)
    return FormFile(form.filename, form.content_type, _content(form, body))


async def _content(form: "_Form", body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if content := form.taken():
        yield content
    async for chunk in body:
        form.feed(chunk)
        if content := form.taken():
            yield content
    if not form.ended:
        raise InvalidRequest(_BROKEN, param=_PARAM)


class _Form:
    """What the parser has told so far."""

    def __init__(self, boundary: bytes) -> None:
        self.opened = False  # the file's head is known
        self.ended = False
        self.filename = ""
        self.content_type = ""
        self._field = b""
        self._value = b""
        self._heads: dict[bytes, bytes] = {}
        self._content: list[bytes] = []
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part,
                    "on_header_field": self._head_field,
                    "on_header_value": self._head_value,
                    "on_header_end": self._head_end,
                    "on_headers_finished": self._heads_end,
                    "on_part_data": self._data,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise InvalidRequest(_BROKEN, param=_PARAM) from None

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise InvalidRequest(_BROKEN, param=_PARAM) from None

    def taken(self) -> bytes:
        content, self._content = b"".join(self._content), []
        return content

    def _part(self) -> None:
        if self.opened:
            raise InvalidRequest("The form must have one part, 'file'.", param=_PARAM)
        self._heads = {}

    def _head_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _head_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _head_end(self) -> None:
        self._heads[self._field.lower()] = self._value
        self._field = self._value = b""

    def _heads_end(self) -> None:
        _, options = parse_options_header(self._heads.get(b"content-disposition"))
        if options.get(b"name") != b"file":
            raise InvalidRequest("The form must have one part, 'file'.", param=_PARAM)
        encoding = self._heads.get(b"content-transfer-encoding", b"binary").strip().lower()
        if encoding not in (b"binary", b"8bit", b"7bit"):
            raise InvalidRequest("Send the file as it is, without Content-Transfer-Encoding.", param=_PARAM)
        self.filename = options.get(b"filename", b"").decode(errors="replace")
        self.content_type = self._heads.get(b"content-type", b"").decode("latin-1")
        self.opened = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _end(self) -> None:
        self.ended = True
