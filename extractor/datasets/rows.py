"""The rows of a dataset file as fields by name, whatever the file's layout, read as a stream.

The layout is recognised from the content (the name may say anything):

- JSON Lines: one object a line;
- tab-separated with a header line that names the columns (such as GLUE's `sentence`, `label`);
- tab-separated without one: `task, condition, good, bad` (Goldberg's layout) or `sentence, label`;
- Parquet.

Text is UTF-8, with or without a byte order mark, with either line end, plain or gzip; blank lines are no
rows. Field names are brought to one spelling (`ALIASES`). A row that cannot be read is yielded with its
problem.
"""

import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ipgraph.graphstore.common.errors import IpgraphError, UsageError

if TYPE_CHECKING:
    from pyarrow import RecordBatch

Fields = dict[str, object]

ALIASES = {
    "sentence": "text",
    "sentence_good": "good",
    "sentence_bad": "bad",
    "UID": "subtask",
    "task": "subtask",
    "case": "subtask",
    "pairID": "id",
    "idx": "id",
    "index": "id",
}
KNOWN = ("text", "correct", "wrong", "good", "bad", "label", "id", "subtask", "condition", "roles")
WANTED = (
    "text, correct, wrong (masked language model), sentence_good, sentence_bad (BLiMP), "
    "or sentence, label (classifier) as JSON Lines, tab-separated columns with a header line or Parquet, "
    "or tab-separated task, condition, good, bad"
)

_PAIR_COLUMNS = ("subtask", "condition", "good", "bad")
_LABEL_COLUMNS = ("text", "label")
_LETTER = re.compile(r"[^\W\d_]")
_QUOTED = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"')
"""A cell between quotes in which each quote is doubled: no text that somebody wrote."""
SNIFFED = 20
"""First rows that decide what a file is, so that a single bad one does not."""


class BadRow(ValueError):  # noqa: N818 (a row's fault, not the program's)
    """A row that cannot be used; its text is the reason."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row's number (line, or row of a table, from 1) and its fields, or the problem in their place."""

    number: int
    fields: Fields
    problem: str = ""


Line = tuple[int, bytes]
Parse = Callable[[str], Fields]


def canonical(fields: Mapping[str, object]) -> Fields:
    """Return the fields that datasets use, under their one name; a canonical name wins over its alias."""
    renamed = {ALIASES[name]: value for name, value in fields.items() if name in ALIASES}
    return renamed | {name: fields[name] for name in KNOWN if name in fields}


def needed_columns(fields: Iterable[str]) -> bool:
    """Tell whether these canonical field names are enough for some kind of dataset."""
    return any(needed <= set(fields) for needed in ({"text"}, {"good", "bad"}))


def read_rows(path: Path) -> Iterator[Row]:
    """Yield a file's rows.

    Raises UsageError for a file that cannot be opened or is in no known layout, IpgraphError for a damaged
    one.
    """
    try:
        with path.open("rb") as file:
            if file.peek(4)[:4] == b"PAR1":
                yield from _parquet_rows(path)
            else:
                yield from _text_rows(path, file)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


# --- text ---


def _text_rows(path: Path, file: io.BufferedReader) -> Iterator[Row]:
    lines = _lines(path, _decompressed(file))
    head = list(islice(lines, SNIFFED))
    if not head:
        return
    parse, has_header = _layout(path, head)
    for number, line in chain(head[has_header:], lines):
        try:
            yield Row(number, parse(_decode(line)))
        except BadRow as error:
            yield Row(number, {}, str(error))


def _decompressed(file: io.BufferedReader) -> io.BufferedReader:
    if file.peek(2)[:2] == b"\x1f\x8b":
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=cast(BinaryIO, file))))
    return file


def _lines(path: Path, file: io.BufferedReader) -> Iterator[Line]:
    """Yield numbered lines without byte order mark, line end and blank ones."""
    number = 0
    try:
        _refuse_binary(path, file.peek(4096))
        for number, line in enumerate(file, 1):
            stripped = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).rstrip(b"\r\n")
            if number == 1 and b"\r" in stripped and not line.endswith(b"\n"):
                raise UsageError(f"{path} has the line ends of old Macs (CR alone); save it with LF or CR LF")
            if stripped.strip():
                yield number, stripped
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IpgraphError(
            f"{path} is a damaged gzip file: it breaks off after line {number}; fetch or compress it again"
        ) from error


def _refuse_binary(path: Path, head: bytes) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"{path} is UTF-16 text; save it as UTF-8")
    if b"\0" in head:
        raise UsageError(f"{path} is a binary file that is not Parquet; expected {WANTED}")


def _decode(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise BadRow(
            f"byte 0x{line[error.start]:02x} at column {error.start + 1} is not UTF-8; save the file as UTF-8"
        ) from error


def _layout(path: Path, head: list[Line]) -> tuple[Parse, bool]:
    """Return how to read a line, and whether the first one is a header."""
    lines = [line.decode(errors="replace") for _, line in head]
    cells = [line.split("\t") for line in lines]
    header = _header(cells[0])
    if re.match(r"\s*\[\s*({|$)", lines[0]):
        raise UsageError(f"{path} is a JSON array; write one object a line, without brackets and commas")
    if _mostly(line.lstrip().startswith("{") for line in lines):
        return _json_fields, False
    if needed_columns(header):
        return _columns_parser(tuple(header)), True
    if _mostly(len(row) == 4 and all(map(_LETTER.search, row[2:])) for row in cells):
        return _columns_parser(_PAIR_COLUMNS), False
    if _mostly(len(row) == 2 and _is_integer(row[1]) for row in cells):
        return _columns_parser(_LABEL_COLUMNS), False
    raise UsageError(f"{path} line {head[0][0]}: found {_excerpt(lines[0])}; expected {WANTED}")


def _header(cells: Sequence[str]) -> list[str]:
    """Return the columns' canonical names; an alias whose canonical name is there too is left as it is."""
    given = [cell.strip() for cell in cells]
    names = [name.lower() for name in given]
    meant = [ALIASES.get(one, ALIASES.get(name, name)) for one, name in zip(given, names, strict=True)]
    return [name if found in names else found for name, found in zip(names, meant, strict=True)]


def _mostly(flags: Iterable[bool]) -> bool:
    found = list(flags)
    return 2 * sum(found) > len(found)


def _is_integer(cell: str) -> bool:
    return re.fullmatch(r"\s*-?\d+\s*", cell) is not None


def _excerpt(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")


def _json_fields(line: str) -> Fields:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadRow(f"not JSON: {error.msg} at column {error.colno}; one object a line is needed") from error
    except (ValueError, RecursionError) as error:
        raise BadRow("not usable JSON: nested too deeply or a number too long") from error
    if not isinstance(value, dict):
        raise BadRow(f"a JSON {_json_kind(value)} where an object is needed")
    return canonical(value)


def _json_kind(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _columns_parser(columns: tuple[str, ...]) -> Parse:
    def parse(line: str) -> Fields:
        cells = line.split("\t")
        if len(cells) != len(columns):
            raise BadRow(
                f"{len(cells)} tab-separated columns where {len(columns)} are needed: {', '.join(columns)}"
            )
        for name, cell in zip(columns, cells, strict=True):
            if _QUOTED.fullmatch(cell):
                raise BadRow(
                    f"{name} is quoted as in CSV, and tab-separated text is taken as it stands: leave the "
                    "quotes around it away, and write each quote inside once"
                )
        return dict(zip(columns, cells, strict=True))

    return parse


# --- Parquet ---


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if name in ALIASES or name in KNOWN]
            if not needed_columns(canonical(dict.fromkeys(names))):
                found = ", ".join(map(repr, file.schema_arrow.names)) or "none"
                raise UsageError(f"{path} has the columns {found}; expected {WANTED}")
            number = 0
            for batch in file.iter_batches(columns=names):
                for index in range(batch.num_rows):
                    number += 1
                    yield _parquet_row(batch, index, number)
    except (pa.ArrowException, OSError) as error:
        detail = str(error).splitlines()[0]
        raise IpgraphError(f"{path} is a damaged Parquet file ({detail}); fetch or write it again") from error


def _parquet_row(batch: "RecordBatch", index: int, number: int) -> Row:
    try:
        values = {name: batch.column(name)[index].as_py() for name in batch.schema.names}
    except UnicodeDecodeError:
        return Row(number, {}, "a text that is not UTF-8")
    return Row(number, canonical(values))
