"""How a table fits a terminal: which columns are shown, and how wide each is, so that no word is broken."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipgraph.queries.reports.tables import Table

GAP = 3
"""Blanks between two columns."""
_FEWEST = 2
"""Columns that stay, however narrow the screen is; a terminal then wraps the lines itself."""


def fit(table: "Table", width: int) -> tuple[list[int], list[int]]:
    """Return which of a table's columns fit into `width`, as indices in order, and how wide each is.

    The least important column goes first; of equally important ones, the rightmost.
    """
    from rich.cells import cell_len

    texts = list(zip(table.headers, *table.cells(), strict=True))
    most = [max(map(cell_len, column)) for column in texts]
    least = [
        max(cell_len(word) for cell in _unbreakable(column, whole=described.is_whole) for word in cell)
        for column, described in zip(texts, table.columns, strict=True)
    ]
    shown = list(range(len(texts)))
    while len(shown) > _FEWEST and _total([least[index] for index in shown]) > width:
        shown.remove(min(shown, key=lambda index: (table.columns[index].importance, -index)))
    return shown, _shared([least[i] for i in shown], [most[i] for i in shown], width)


def _unbreakable(column: Sequence[str], *, whole: bool) -> list[list[str]]:
    """Return what stays on one line of each cell: its words; of a number (or what is whole) all of it."""
    header, *cells = column
    return [header.split() or [""], *([cell] if whole else cell.split() or [""] for cell in cells)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _shared(least: Sequence[int], most: Sequence[int], width: int) -> list[int]:
    """Return widths between least and most; what is left over goes to those that need the least first."""
    left, widths = max(width - _total(least), 0), list(least)
    order = sorted(range(len(least)), key=lambda index: most[index] - least[index])
    for done, index in enumerate(order):
        more = min(most[index] - least[index], left // (len(order) - done))
        widths[index] += more
        left -= more
    return widths
