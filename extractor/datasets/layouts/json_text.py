"""JSON Lines, one object per line, and a JSON array of objects, which may stand on one line."""

import codecs
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ipgraph.extractor.datasets.layouts.lines import BOM, Line
from ipgraph.extractor.datasets.rows import LONGEST_LINE, BadRow, Fields, Row
from ipgraph.graphstore.common.errors import UsageError

_ARRAY = re.compile(rb"\s*\[\s*([{\]]|$)")
_SPACE = re.compile(r"[ \t\n\r]*")
_KINDS = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
_NESTED = "JSON that is nested too deeply or has a number that is too long"
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
"""A byte that the decoder of an array could not read."""
_DECODER = json.JSONDecoder()


def is_array(head: bytes) -> bool:
    """Tell whether text that begins like this is a JSON array of objects."""
    return _ARRAY.match(head.removeprefix(BOM)) is not None


def rows_of_lines(lines: Iterable[Line]) -> Iterator[Row]:
    """Yield the object of each line."""
    for line in lines:
        try:
            yield Row(line.number, _object(line.text()))
        except BadRow as error:
            yield Row(line.number, {}, error)


def _object(line: str) -> Fields:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadRow(
            "not JSON: {} at column {}; each line must be one object", error.msg, error.colno
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadRow(_NESTED) from error
    return _checked(value, "the line", line)


def _checked(value: object, what: str, text: str) -> Fields:
    if byte := _NOT_UTF8.search(text):
        raise BadRow("byte {} is not UTF-8; save the file as UTF-8", f"0x{ord(byte[0]) - 0xDC00:02x}")
    if not isinstance(value, dict):
        raise BadRow(f"{what} is a JSON {_KINDS.get(type(value), 'null')}; it must be an object")
    return value


# --- arrays ---


class _Window:
    """The text of a file from a position on, of which at least LONGEST_LINE characters are in memory."""

    def __init__(self, path: Path, file: io.BufferedReader) -> None:
        self.path, self.file = path, file
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self.text, self.position, self.element = "", 0, 0

    def fill(self) -> None:
        """Skip white space, and read on until enough is there or the file ends."""
        while True:
            self.position = _SPACE.match(self.text, self.position).end()  # type: ignore[union-attr]
            if len(self.text) - self.position > LONGEST_LINE or not (
                more := self.file.read(4 * LONGEST_LINE)
            ):
                return
            self.text = self.text[self.position :] + self.decoder.decode(more)
            self.position = 0

    def take(self, marks: str) -> str:
        """Return the next character; raises UsageError unless it is one of the marks."""
        self.fill()
        found = self.text[self.position : self.position + 1]
        if not found or found not in marks:
            raise self.fault(f"{'the file ends' if not found else f'found {found!r}'} instead of {marks!r}")
        self.position += 1
        return found

    def fault(self, what: str) -> UsageError:
        """Return the error for an array that cannot be read on."""
        return UsageError(f"{self.path} is a damaged JSON array after element {self.element}: {what}")


def rows_of_array(path: Path, file: io.BufferedReader) -> Iterator[Row]:
    """Yield the objects of an array; raises UsageError where it is not JSON or an element is too long."""
    window = _Window(path, file)
    window.take("[")
    window.fill()
    if window.text[window.position : window.position + 1] == "]":
        return
    while True:
        yield _element(window)
        if window.take(",]") == "]":
            break
    window.fill()
    if window.position < len(window.text):
        raise window.fault("there is more text after it")


def _element(window: _Window) -> Row:
    window.fill()
    try:
        value, end = _DECODER.raw_decode(window.text, window.position)
    except json.JSONDecodeError as error:
        is_long = len(window.text) - window.position > LONGEST_LINE
        is_cut = is_long and error.pos >= len(window.text) - 1
        long = f"the next one is longer than {LONGEST_LINE:,} characters"
        raise window.fault(long if is_cut or error.msg.startswith("Unterminated") else error.msg) from error
    except (ValueError, RecursionError) as error:
        raise window.fault(_NESTED) from error
    raw = window.text[window.position : end]
    window.position, window.element = end, window.element + 1
    try:
        return Row(window.element, _checked(value, "the element", raw))
    except BadRow as error:
        return Row(window.element, {}, error)
