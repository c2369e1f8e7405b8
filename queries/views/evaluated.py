"""Evaluated runs and their figures, from a store or a run directory."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ipgraph.graphstore.common.bootstrap import Interval
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.records import Measure, Run
from ipgraph.queries.language.binding import resolve_run
from ipgraph.queries.language.running import ask

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

SETTINGS = ("level", "qoi", "baseline", "n_steps", "quadrature", "dtype")
"""The fields of a run that change its numbers, beside model and dataset."""
_SHARED = """
MATCH (:Run {id: $run})-[:PREDICTED]->(i:Instance)
MATCH (:Run {id: $other})-[:PREDICTED]->(i)
RETURN count(*) AS shared
"""
SHORT = 7
"""Characters of a run's id where there is little room."""


@dataclass(frozen=True, slots=True)
class Figure(Interval):
    """A measure's value with its 95% interval, the instances behind it, and what must be known of it."""

    instances: int
    note: str


class Key(NamedTuple):
    """What identifies a figure within a run."""

    metric: str
    method: str
    level: str
    grouping: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A run and its figures, and the query that they come from, if one was asked."""

    run: Run
    figures: Mapping[Key, Figure]
    cypher: str = ""
    left_out: tuple[str, ...] = ()
    """Ids of the smaller or older evaluated runs of its model, dataset and settings, left out for it."""

    @property
    def groupings(self) -> list[str]:
        """The run's subtasks, where it has several; else the whole run, ""."""
        found = sorted({key.grouping for key in self.figures})
        return [name for name in found if name] or found


@dataclass(frozen=True, slots=True)
class Column:
    """One task: a run, or a subtask of it."""

    name: str
    evaluated: Evaluated
    grouping: str

    @property
    def task(self) -> str:
        """The dataset or subtask, whatever the model."""
        return self.grouping or self.evaluated.run.dataset

    def figure(self, metric: str, method: str, level: str, variant: str = "") -> Figure | None:
        """Return a figure of the task, None where it was not measured."""
        return self.evaluated.figures.get(Key(metric, method, level, self.grouping, variant))


def from_measures(run: Run, measures: Iterable[Measure]) -> Evaluated:
    """Return a run with its measures, as `evaluate` gives them."""
    return Evaluated(
        run,
        {
            Key(m.metric, m.method, m.level, m.grouping, m.variant): Figure(
                m.value, m.low, m.high, m.count, m.note
            )
            for m in measures
        },
    )


def evaluated_runs(store: "Store", run: str = "") -> list[Evaluated]:
    """Return the one run named, or of each model, dataset and `SETTINGS` the evaluated run of most instances.

    Of equally many the newest. It stands for those whose instances it has; others are shown too. Raises
    UsageError where none has been evaluated.
    """
    records = [resolve_run(store, run)] if run else [r for r in store.runs() if r.state == "complete"]
    found: list[Evaluated] = []
    for record in sorted(records, key=_rank, reverse=True):
        rows = ask("measures", store, run=record.id)
        figures = {Key(*(row[name] for name in Key._fields)): _figure(row) for row in rows}
        if not figures:
            continue
        same = next((i for i, shown in enumerate(found) if _replaces(store, shown.run, record)), None)
        if same is None:
            found.append(Evaluated(record, figures, rows.cypher))
        else:
            found[same] = replace(found[same], left_out=(*found[same].left_out, record.id))
    if not found:
        which = f"run {records[0].id}" if run else "no run of this store"
        verb = "has not" if run else "has"
        raise UsageError(f"{which} {verb} been evaluated; `ipgraph evaluate DATASET|RUN` does that")
    return found


def _replaces(store: "Store", shown: Run, other: Run) -> bool:
    """Tell whether a run that is shown stands for another one too: it has all of its instances."""
    alike = all(getattr(shown, name) == getattr(other, name) for name in ("model", "dataset", *SETTINGS))
    return alike and store.read(_SHARED, {"run": shown.id, "other": other.id}).rows == [[other.instances]]


def _rank(run: Run) -> tuple[bool, int, str]:
    return run.level == "both", run.instances, run.created


def cypher_of(tasks: Iterable[Column]) -> str:
    """Return the query behind the figures of tasks."""
    return next((task.evaluated.cypher for task in tasks), "")


def _figure(row: Mapping[str, object]) -> Figure:
    value, low, high = (float(str(row[name])) for name in ("value", "low", "high"))
    return Figure(value, low, high, int(str(row["count"])), str(row["note"]))


def task_columns(evaluated: Iterable[Evaluated]) -> list[Column]:
    """Return a column for every task of these runs, named by dataset or subtask, and model if they differ.

    Names that several have are told apart by the beginning of the run's id.
    """
    evaluated = sorted(evaluated, key=lambda e: (e.run.model_name, e.run.dataset))
    several = len({e.run.model for e in evaluated}) > 1
    columns = [
        Column((grouping or e.run.dataset) + (_of(e.run.model_name) if several else ""), e, grouping)
        for e in evaluated
        for grouping in e.groupings
    ]
    times = Counter(column.name for column in columns)
    return [column if times[column.name] == 1 else _with_run(column) for column in columns]


def _with_run(column: Column) -> Column:
    return replace(column, name=f"{column.name} ({column.evaluated.run.id[:SHORT]})")


def one_a_task(tasks: Sequence[Column]) -> list[Column]:
    """Return the column of most instances, of equally many the newest, of each model's task, by name."""
    best = {(task.evaluated.run.model, task.task): task.name for task in sorted(tasks, key=_column_rank)}
    return [task for task in tasks if task.name in best.values()]


def _column_rank(task: Column) -> tuple[bool, int, str]:
    is_both, _, created = _rank(task.evaluated.run)
    qoi = task.figure("qoi", "gpr", "")
    return is_both, qoi.instances if qoi else 0, created


def by_model(tasks: Sequence[Column]) -> list[list[Column]]:
    """Return tasks apart by model: entropy and QoI of different models have different scales."""
    models = dict.fromkeys(task.evaluated.run.model for task in tasks)
    return [[task for task in tasks if task.evaluated.run.model == model] for model in models]


def _of(model_name: str) -> str:
    """Return the last part of a model's hub id or folder in brackets: headings have little room."""
    return f" ({model_name.rstrip('/').rpartition('/')[2]})"
