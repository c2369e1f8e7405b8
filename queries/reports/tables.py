"""Tables: what a report is made of, before anything decides how it looks.

A table keeps its values as they are, for JSON and CSV, beside how each column is to be printed.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ipgraph.graphstore.common.bootstrap import Interval
from ipgraph.graphstore.common.text import printable

MISSING = "–"
"""What stands for a value that does not exist."""
IDS = ("run", "other", "instance")
"""Columns of ids."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column: its name, the format of its numbers (`format()`'s own language) and its alignment.

    Where a screen is too narrow for a table, the column of the least `importance` is left out first.
    """

    name: str
    format: str = ""
    align: Literal["left", "right"] = "left"
    key: str = ""  # what a program calls the column; if empty, it is made from the name
    importance: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether a cell is never wrapped: numbers, and ids, which are there to be copied."""
        return self.align == "right" or self.name in IDS

    def text(self, value: object) -> str:
        """Return a value as it is printed."""
        if value is None:
            return MISSING
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list | tuple):
            return " ".join(self.text(part) for part in value)
        return format(value, self.format) if isinstance(value, int | float | Interval) else str(value)


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table; `note` says what a reader must know, `cypher` holds the query behind the rows."""

    title: str
    columns: tuple[TableColumn, ...]
    rows: list[list[object]]
    note: str = ""
    cypher: str = ""

    @classmethod
    def of(
        cls, title: str, columns: Iterable[str], rows: Iterable[Sequence[object]], note: str = ""
    ) -> "Table":
        """Return a table of text columns."""
        return cls(title, tuple(map(text, columns)), [list(row) for row in rows], note)

    @property
    def headers(self) -> list[str]:
        """The columns' names; where one repeats, the later ones are numbered."""
        return _distinct([column.name for column in self.columns], "{} ({})")

    @property
    def keys(self) -> list[str]:
        """The columns' identifiers in snake_case, for programs; where one repeats, the later are numbered."""
        return _distinct([column.key or _key(column.name) for column in self.columns], "{}_{}")

    def cells(self) -> list[list[str]]:
        """Return the rows as they are printed, control characters escaped."""
        return [[printable(c.text(v)) for c, v in zip(self.columns, row, strict=True)] for row in self.rows]

    def records(self) -> list[dict[str, object]]:
        """Return the rows by column name, values as they are."""
        return [dict(zip(self.headers, row, strict=True)) for row in self.rows]


def _distinct(names: Iterable[str], numbered: str) -> list[str]:
    """Return names of which none repeats: the later ones get a number, from 2."""
    distinct: list[str] = []
    for name in names:
        others = (numbered.format(name, number) for number in itertools.count(2))
        distinct.append(next(n for n in itertools.chain([name], others) if n not in distinct))
    return distinct


def _key(name: str) -> str:
    """Return a column's name in lower case, its words joined by underscores; + and - are said."""
    signed = re.sub(r"[-−](?=\W|$)", " minus ", name.replace("+", " plus "))
    return re.sub(r"[\W_]+", "_", signed).strip("_").lower() or "value"


def text(name: str) -> TableColumn:
    """Return a column of words."""
    return TableColumn(name)


def count(name: str) -> TableColumn:
    """Return a column of whole numbers."""
    return TableColumn(name, ",d", "right")


def share(name: str) -> TableColumn:
    """Return a column of shares, printed as percentages."""
    return TableColumn(name, ".1%", "right")


def number(name: str, digits: int = 3) -> TableColumn:
    """Return a column of numbers with `digits` digits after the point."""
    return TableColumn(name, f".{digits}f", "right")


def signed(name: str, digits: int = 3) -> TableColumn:
    """Return a column of numbers that always show their sign."""
    return TableColumn(name, f"+.{digits}f", "right")
