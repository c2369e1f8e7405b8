"""Text files: opened if regular, decompressed, and cut into lines of a bounded length.

Text is UTF-8, with or without a byte order mark, with LF or CR LF, plain or gzip.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, cast

from ipgraph.extractor.datasets.columns import EXPECTED
from ipgraph.extractor.datasets.rows import LONGEST_LINE, BadRow
from ipgraph.graphstore.common.errors import IpgraphError, UsageError

_CHUNK = 2**16
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A line's number from 1 and its bytes with the line end; too long, it has no bytes but the problem."""

    number: int
    content: bytes
    problem: BadRow | None = None

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing on the line."""
        return not self.problem and not self.content.strip()

    def text(self) -> str:
        """Return the line without its end; raises BadRow where it is too long or not UTF-8."""
        if self.problem:
            raise self.problem
        try:
            return self.content.rstrip(b"\r\n").decode()
        except UnicodeDecodeError as error:
            byte = f"0x{self.content[error.start]:02x}"
            raise BadRow(
                "byte {} at column {} is not UTF-8; save the file as UTF-8", byte, error.start + 1
            ) from error


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """Open a regular file; raises UsageError where it cannot be read, IpgraphError for broken gzip."""
    try:
        if not S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is not a regular file; save the dataset as a file first")
        with path.open("rb") as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IpgraphError(f"{path} is a damaged gzip file; download or compress it again") from error
    except OSError as error:
        raise UsageError(f"{path} could not be read: {error.strerror or error}") from error


def decompressed(path: Path, file: io.BufferedReader) -> io.BufferedReader:
    """Return a text file's bytes; raises UsageError for what is not UTF-8 text."""
    if file.peek(2)[:2] == b"\x1f\x8b":
        file = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=cast(BinaryIO, file))), _CHUNK)
    head = file.peek(_CHUNK)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"{path} is UTF-16 text; save it as UTF-8")
    if b"\0" in head:
        raise UsageError(f"{path} is a binary file that is neither Parquet nor Arrow; expected {EXPECTED}")
    if b"\r" in head.rstrip(b"\r") and b"\n" not in head:
        raise UsageError(f"{path} ends its lines with CR alone; save it with LF or CR LF")
    return file


def lines_of(file: io.BufferedReader) -> Iterator[Line]:
    """Yield the lines, without byte order mark; what is beyond LONGEST_LINE is read past, not kept."""
    number = 0
    while content := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(content) > LONGEST_LINE and not content.endswith(b"\n"):
            _finish_line(file)
            yield Line(number, b"", BadRow(f"the line is longer than {LONGEST_LINE:,} bytes"))
        else:
            yield Line(number, content.removeprefix(BOM) if number == 1 else content)


def _finish_line(file: io.BufferedReader) -> None:
    while (content := file.readline(_CHUNK)) and not content.endswith(b"\n"):
        pass
