"""CSV (commas or semicolons) and tab-separated text, with a header line that names the columns.

CSV follows the rules of the csv module: a quoted cell may hold separators, line breaks and doubled quotes.
Quotes in tab-separated text are part of the text, as in GLUE's files, unless its first lines are evidently
quoted: every name of the header is, or a cell is quoted with doubled quotes inside. Two layouts of
tab-separated text need no header: `task, condition, good, bad` (Goldberg's) and `sentence, label`.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from ipgraph.extractor.datasets.columns import EXPECTED, Choose, unusable
from ipgraph.extractor.datasets.layouts.lines import Line
from ipgraph.extractor.datasets.rows import LONGEST_LINE, BadRow, Fields, Row, Rows, listed
from ipgraph.graphstore.common.errors import UsageError

_TAB = "\t"
_PAIR_COLUMNS = ("subtask", "condition", "good", "bad")
_LABEL_COLUMNS = ("text", "label")
_LETTER = re.compile(r"[^\W\d_]")
_QUOTED = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"')
"""A cell in quotes with doubled quotes inside, which a CSV writer has made."""


def rows_of_table(path: Path, head: list[Line], rest: Iterator[Line], choose: Choose) -> Rows:
    """Return the rows of a delimited file that begins with `head`; raises UsageError without a layout."""
    if head[0].problem:
        raise UsageError(f"{path} line {head[0].number}: {head[0].problem}; expected {EXPECTED}")
    first, *others = [line.content.decode(errors="replace").rstrip("\r\n") for line in head]
    for separator in _separators(path, first):
        names = _header(first, separator)
        if choose(names).are_enough:
            body = chain(head[1:], rest)
            if separator == _TAB and not _is_quoted(first, others):
                return Rows(names, _unquoted(body, names))
            return Rows(names, _by_csv(body, names, separator))
    for columns, fits in ((_PAIR_COLUMNS, _is_pair), (_LABEL_COLUMNS, _is_labelled)):
        if fits(first.split(_TAB)) and _mostly(fits(line.split(_TAB)) for line in others):
            return Rows(columns, _unquoted(chain(head, rest), columns))
    found = max((_header(first, separator) for separator in (_TAB, ",", ";")), key=len)
    raise unusable(f"{path} line {head[0].number}", found, choose(found))


def _separators(path: Path, header: str) -> list[str]:
    """Return the separators that a header may have; a single column is CSV where the file's name says so."""
    present = [separator for separator in (_TAB, ",", ";") if separator in header]
    return present or ["," if ".csv" in (suffix.lower() for suffix in path.suffixes) else _TAB]


def _header(line: str, separator: str) -> tuple[str, ...]:
    """Return the names of the columns; an empty or repeated one gets its number."""
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:  # a lone carriage return, which no header has
        cells = [line.strip()]
    return tuple(
        name if name and name not in cells[:place] else f"{name} (column {place + 1})".lstrip()
        for place, name in enumerate(cells)
    )


def _is_quoted(first: str, others: Iterable[str]) -> bool:
    """Tell whether tab-separated text is quoted."""
    names = first.split(_TAB)
    return all(re.fullmatch('".+"', name) for name in names) or any(
        _QUOTED.fullmatch(cell) for line in others for cell in line.split(_TAB)
    )


def _is_pair(cells: list[str]) -> bool:
    return len(cells) == 4 and all(_LETTER.search(cell) and len(cell.split()) > 1 for cell in cells[2:])


def _is_labelled(cells: list[str]) -> bool:
    return len(cells) == 2 and bool(_LETTER.search(cells[0]) and re.fullmatch(r"\s*-?\d+\s*", cells[1]))


def _mostly(flags: Iterable[bool]) -> bool:
    votes = list(flags)
    return 2 * sum(votes) >= len(votes)


def _record(names: tuple[str, ...], cells: list[str]) -> Fields:
    if len(cells) != len(names):
        raise BadRow(f"found {{}} columns; expected {len(names)}: {{}}", len(cells), listed(names))
    return dict(zip(names, cells, strict=True))


# --- tab-separated text ---


def _unquoted(lines: Iterable[Line], names: tuple[str, ...]) -> Iterator[Row]:
    for line in lines:
        try:
            if not line.is_blank:
                yield Row(line.number, _plain_record(line, names))
        except BadRow as error:
            yield Row(line.number, {}, error)


def _plain_record(line: Line, names: tuple[str, ...]) -> Fields:
    record = _record(names, line.text().split(_TAB))
    for name, cell in record.items():
        if isinstance(cell, str) and _QUOTED.fullmatch(cell):
            raise BadRow(
                "{} is quoted as in CSV, but the file's first lines are not; remove the outer quotes and "
                "write each inner quote once, or save the file as CSV",
                name,
            )
    return record


# --- CSV ---


class _Feed:
    """Lines for csv.reader, which can be read again from the second line of a record on."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = iter(lines)
        self.again: deque[Line] = deque()
        self.record: list[Line] = []
        self.size = 0

    def begin(self) -> None:
        """Begin a record."""
        self.record, self.size = [], 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Return the next line of the record; raises BadRow where it is not text or the record too long."""
        line = self.again.popleft() if self.again else next(self.lines)
        self.record.append(line)
        self.size += len(line.content)
        if self.size > LONGEST_LINE:
            raise BadRow(f"the row is longer than {LONGEST_LINE:,} bytes")
        return line.text() + "\n"

    def failed(self, problem: BadRow) -> Row:
        """Return the record as a bad row of its first line; the others are given again."""
        first, *others = self.record
        if others:
            last = others[-1].number
            problem = BadRow("has a quoted cell that goes on to line {}, and there: {}", last, problem)
        self.again.extendleft(reversed(others))
        return Row(first.number, {}, problem)


def _by_csv(lines: Iterable[Line], names: tuple[str, ...], separator: str) -> Iterator[Row]:
    """Yield the records; after one that breaks the rules, reading goes on at the line after its first."""
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=separator, strict=True)
    while True:
        feed.begin()
        try:
            cells = next(reader)
            if len(feed.record) > 1 or not feed.record[0].is_blank:
                yield Row(feed.record[0].number, _record(names, cells))
        except StopIteration:
            return
        except BadRow as error:
            yield feed.failed(error)
        except csv.Error as error:
            yield feed.failed(BadRow("breaks the rules of CSV: {}", error))
