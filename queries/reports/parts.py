"""What reports are built from: tables made of rows, in print."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.qoi import with_classes
from ipgraph.graphstore.schema.records import Run
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Record, Rows
from ipgraph.queries.reports.tables import Table, TableColumn
from ipgraph.queries.views.labels import printed_label, printed_step, printed_subpath

ACCURACY = "accuracy: share of the labelled instances on which the model is right"

OUR_CHOICE = "†: our choice, where the paper is silent"

_PRINTED: dict[str, Callable[[str], str]] = {
    "label": printed_label,
    "node": printed_label,
    "subpath": printed_subpath,
    "step": printed_step,
    "other_step": printed_step,
}
_NAMED = ("run", "other", "level", "subtask", "condition", "other_condition", "role", "other_role", "sign")
_SCOPE = {
    **{name: f"{name.replace('_', ' ')} {{}}" for name in _NAMED},
    "level": "{} level",
    "layer": "layer {}",
    "k": "{} nodes",
    "at_least": "at least {} instances",
}
"""What a note says of a parameter that is given, in this order."""
_FILTERS_NOTHING = {"at_least": 1}


def as_table(
    title: str,
    rows: Rows,
    columns: Mapping[str, TableColumn],
    note: str = "",
    *,
    records: Iterable[Record] | None = None,
    limit: int = NO_LIMIT,
) -> Table:
    """Return rows as a table of the named columns: heads counted from 1, labels as people read them.

    The note says first what the rows were taken from, then how many they are if more than `limit`, of which
    the first are shown; `records`: the rows to show, if not these. Raises UsageError for a limit below 1.
    """
    require_limit(limit)
    shown = islice(rows, limit) if records is None else records
    cells = [[_printed(name, record[name]) for name in columns] for record in shown]
    cut = f"{limit:,} of {len(rows):,}" if len(rows) > limit else ""
    notes = [scope(rows.parameters), cut, note if cells else "nothing found"]
    keyed = tuple(replace(column, key=column.key or name) for name, column in columns.items())
    return Table(title, keyed, cells, "; ".join(filter(None, notes)), rows.cypher)


def facts(run: Run, method: str, **more: str) -> Table:
    """Return what a run is: its model, dataset, method as it is to be said, and quantity of interest."""
    skipped = f" ({run.skipped:,} more could not be used)" if run.skipped else ""
    rows = {
        "model": f"{run.model_name} ({run.layers} layers, {run.heads} heads; {run.model})",
        "dataset": f"{run.dataset}: {run.instances:,} instances{skipped}",
        "method": method,
        "quantity of interest": with_classes(run.qoi, run.classes),
    }
    return Table.of(f"Run {run.id}", ["what", "value"], (rows | more).items())


def require_limit(limit: int) -> None:
    """Raise UsageError for a limit that leaves no row."""
    if limit < 1:
        raise UsageError(f"the limit is {limit}; a table shows at least 1 row")


def _printed(name: str, value: object) -> object:
    if name == "head" and isinstance(value, int):
        return value or None
    return _PRINTED[name](value) if name in _PRINTED and isinstance(value, str) and value else value


def scope(parameters: Mapping[str, object]) -> str:
    """Return what rows were taken from, such as `run r1, attention level, subtask sva-obj`."""
    given = {name: parameters[name] for name in _SCOPE if parameters.get(name)}
    return ", ".join(
        _SCOPE[name].format(value) for name, value in given.items() if value != _FILTERS_NOTHING.get(name)
    )
