"""What reports are built from: tables made of rows, in print."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, islice

from ipgraph.queries.labels import printed_head, printed_label, printed_step, printed_subpath
from ipgraph.queries.running import Record, Rows
from ipgraph.queries.tables import Table, TableColumn

EVERY = 1_000_000
"""A limit that leaves nothing out."""

_PRINTED: dict[str, Callable[[str], str]] = {
    "label": printed_label,
    "node": printed_label,
    "subpath": printed_subpath,
    "step": printed_step,
    "other_step": printed_step,
}
_SCOPE = ("run", "other", "level", "subtask", "condition", "other_condition", "role", "other_role", "sign")


def as_table(
    title: str,
    rows: Rows,
    columns: Mapping[str, TableColumn],
    note: str = "",
    *,
    records: Iterable[Record] | None = None,
) -> Table:
    """Return rows as a table of the named columns: heads counted from 1, labels as people read them.

    The note says first what the rows were taken from; `records`: the rows to show, if not all.
    """
    shown = rows if records is None else records
    cells = [[_printed(name, record[name]) for name in columns] for record in shown]
    notes = [scope(rows.parameters), note if cells else "nothing found"]
    return Table(title, tuple(columns.values()), cells, "; ".join(filter(None, notes)), rows.cypher)


def _printed(name: str, value: object) -> object:
    if name == "head" and isinstance(value, int):
        return printed_head(value) if value >= 0 else None
    return _PRINTED[name](value) if name in _PRINTED and isinstance(value, str) and value else value


def scope(parameters: Mapping[str, object]) -> str:
    """Return what rows were taken from, such as `run r1, attention level, subtask sva-obj`."""
    said = ((name.replace("_", " "), parameters[name]) for name in _SCOPE if parameters.get(name))
    return ", ".join(f"{value} level" if name == "level" else f"{name} {value}" for name, value in said)


def first_of_each(rows: Rows, key: str, limit: int) -> Iterator[Record]:
    """Yield the first rows of each value of a column; rows with the same value follow one another."""
    for _, group in groupby(rows, key=lambda record: record[key]):
        yield from islice(group, limit)
