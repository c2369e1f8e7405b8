"""The rows of a dataset file as fields by name, for every layout, read as a stream.

The layout is recognised from the content, whatever the name of the file:

- JSON Lines: one object per line;
- tab-separated with a header line that names the columns (such as GLUE's `sentence`, `label`);
- tab-separated without one: `task, condition, good, bad` (Goldberg's layout) or `sentence, label`;
- Parquet.

Text is UTF-8, with or without a byte order mark, with LF or CR LF, plain or gzip; blank lines are skipped.
Field names are brought to one spelling (`ALIASES`). A row that cannot be read is yielded with its problem.
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
KNOWN = ("text", "second", "correct", "wrong", "good", "bad", "label", "id", "subtask", "condition", "roles")
WANTED = (
    "text, correct, wrong (masked language model), sentence_good, sentence_bad (BLiMP), "
    "or sentence, label (classifier) as JSON Lines, tab-separated columns with a header line or Parquet, "
    "or tab-separated task, condition, good, bad"
)

_PAIR_COLUMNS = ("subtask", "condition", "good", "bad")
_LABEL_COLUMNS = ("text", "label")
_LETTER = re.compile(r"[^\W\d_]")
_QUOTED = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"')
"""A cell in quotes with doubled quotes inside, which a CSV writer has made."""
SNIFFED = 20
"""How many first rows decide the layout and kind of a file, so that one bad row does not."""


class BadRow(ValueError):  # noqa: N818 (a row's fault, not the program's)
    """A row cannot be used; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Row:
    """The number of a row (line, or row of a table, from 1), and its fields or its problem."""

    number: int
    fields: Fields
    problem: str = ""


Line = tuple[int, bytes]
Parse = Callable[[str], Fields]


def canonical(fields: Mapping[str, object]) -> Fields:
    """Return the fields that datasets use under their canonical names, which win over aliases."""
    renamed = {ALIASES[name]: value for name, value in fields.items() if name in ALIASES}
    return renamed | {name: fields[name] for name in KNOWN if name in fields}


def needed_columns(fields: Iterable[str]) -> bool:
    """Tell whether these canonical field names are enough for a dataset."""
    return any(needed <= set(fields) for needed in ({"text"}, {"good", "bad"}))


def read_rows(path: Path) -> Iterator[Row]:
    """Yield a file's rows.

    Raises UsageError for a file that cannot be opened or has an unknown layout, IpgraphError for a damaged
    file.
    """
    try:
        with path.open("rb") as file:
            if file.peek(4)[:4] == b"PAR1":
                yield from _parquet_rows(path)
            else:
                yield from _text_rows(path, file)
    except OSError as error:
        raise UsageError(f"{path} could not be read: {error.strerror or error}") from error


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
    """Yield numbered lines that are not blank, without byte order mark and line end."""
    number = 0
    try:
        _refuse_binary(path, file.peek(4096))
        for number, line in enumerate(file, 1):
            stripped = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).rstrip(b"\r\n")
            if number == 1 and b"\r" in stripped and not line.endswith(b"\n"):
                raise UsageError(f"{path} ends its lines with CR alone; save it with LF or CR LF")
            if stripped.strip():
                yield number, stripped
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IpgraphError(
            f"{path} is a damaged gzip file that ends after line {number}; download or compress it again"
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
    """Return how to read a line, and whether the first line is a header."""
    lines = [line.decode(errors="replace") for _, line in head]
    cells = [line.split("\t") for line in lines]
    header = _header(cells[0])
    if re.match(r"\s*\[\s*({|$)", lines[0]):
        raise UsageError(f"{path} is a JSON array; write one object per line, without brackets and commas")
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
    """Return the canonical names of columns; an alias stays if its canonical name is a column too."""
    written = [cell.strip() for cell in cells]
    names = [name.lower() for name in written]
    meant = [ALIASES.get(cell, ALIASES.get(name, name)) for cell, name in zip(written, names, strict=True)]
    return [name if target in names else target for name, target in zip(names, meant, strict=True)]


def _mostly(flags: Iterable[bool]) -> bool:
    votes = list(flags)
    return 2 * sum(votes) > len(votes)


def _is_integer(cell: str) -> bool:
    return re.fullmatch(r"\s*-?\d+\s*", cell) is not None


def _excerpt(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...")


def _json_fields(line: str) -> Fields:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadRow(
            f"not JSON: {error.msg} at column {error.colno}; each line must be one object"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BadRow("JSON that is nested too deeply or has a number that is too long") from error
    if not isinstance(value, dict):
        raise BadRow(f"the line is a JSON {_json_kind(value)}; it must be an object")
    return canonical(value)


def _json_kind(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _columns_parser(columns: tuple[str, ...]) -> Parse:
    def parse(line: str) -> Fields:
        cells = line.split("\t")
        if len(cells) != len(columns):
            raise BadRow(
                f"found {len(cells)} tab-separated columns; expected {len(columns)}: {', '.join(columns)}"
            )
        for name, cell in zip(columns, cells, strict=True):
            if _QUOTED.fullmatch(cell):
                raise BadRow(
                    f"{name} is quoted as in CSV, but tab-separated text is not unquoted; remove the outer "
                    "quotes and write each inner quote once"
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
                present = ", ".join(map(repr, file.schema_arrow.names)) or "none"
                raise UsageError(f"{path} has the columns {present}; expected {WANTED}")
            number = 0
            for batch in file.iter_batches(columns=names):
                for index in range(batch.num_rows):
                    number += 1
                    yield _parquet_row(batch, index, number)
    except (pa.ArrowException, OSError) as error:
        detail = str(error).splitlines()[0]
        raise IpgraphError(
            f"{path} is a damaged Parquet file ({detail}); download or write it again"
        ) from error


def _parquet_row(batch: "RecordBatch", index: int, number: int) -> Row:
    try:
        values = {name: batch.column(name)[index].as_py() for name in batch.schema.names}
    except UnicodeDecodeError:
        return Row(number, {}, "a text is not UTF-8")
    return Row(number, canonical(values))
