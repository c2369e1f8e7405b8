"""Evaluated runs and their estimates, from a store or a run directory."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ipgraph.graphstore.common.bootstrap import Interval
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.measures import MeasureKey
from ipgraph.graphstore.schema.records import Measure, Run
from ipgraph.queries.language.binding import resolve_run
from ipgraph.queries.language.running import ask
from ipgraph.queries.views.scope import model_title

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
class Estimate(Interval):
    """A measure's value with its 95% interval, the instances behind it, and what must be known of it."""

    instances: int
    draws: int = 0
    word: str = ""
    note: str = ""

    @classmethod
    def of(cls, measure: Measure) -> "Estimate":
        """Return a measure's estimate."""
        m = measure
        return cls(m.value, m.low, m.high, m.count, m.draws, m.word, m.note)


@dataclass(frozen=True, slots=True)
class EvaluatedRun:
    """A run and its estimates, and the query that they come from, if one was asked."""

    run: Run
    estimates: Mapping[MeasureKey, Estimate]
    cypher: str = ""
    left_out: tuple[str, ...] = ()
    """Ids of the smaller or older evaluated runs of its model, dataset and settings, left out for it."""

    @property
    def groupings(self) -> list[str]:
        """The run's subtasks, where it has several; else the whole run, ""."""
        groupings = sorted({key.grouping for key in self.estimates})
        return [name for name in groupings if name] or groupings


@dataclass(frozen=True, slots=True)
class Task:
    """A dataset or subtask as one run was evaluated on it; `name` tells it from the tasks beside it."""

    name: str
    evaluated: EvaluatedRun
    grouping: str

    @property
    def bare_name(self) -> str:
        """The dataset or subtask, whatever the model and run."""
        return self.grouping or self.evaluated.run.dataset

    @property
    def keys(self) -> list[MeasureKey]:
        """The keys of what was measured of the task, in order, without its grouping."""
        keys = (key for key in self.evaluated.estimates if key.grouping == self.grouping)
        return sorted(key._replace(grouping="") for key in keys)

    def estimate(self, key: MeasureKey) -> Estimate | None:
        """Return an estimate of the task by a key without grouping, None where it was not measured."""
        return self.evaluated.estimates.get(key._replace(grouping=self.grouping))


def from_measures(run: Run, measures: Iterable[Measure]) -> EvaluatedRun:
    """Return a run with its measures, as `evaluate` gives them."""
    return EvaluatedRun(run, {MeasureKey.of(measure): Estimate.of(measure) for measure in measures})


def evaluated_runs(store: "Store", run: str = "") -> list[EvaluatedRun]:
    """Return the one run named, or of each model, dataset and `SETTINGS` the evaluated run of most instances.

    Of equally many the newest. It stands for those whose instances it has; others are shown too. Raises
    UsageError where none has been evaluated.
    """
    records = [resolve_run(store, run)] if run else [r for r in store.runs() if r.state == "complete"]
    shown: list[EvaluatedRun] = []
    for record in sorted(records, key=_rank, reverse=True):
        evaluated = _evaluated(store, record)
        if not evaluated.estimates:
            continue
        same = next((i for i, other in enumerate(shown) if _replaces(store, other.run, record)), None)
        if same is None:
            shown.append(evaluated)
        else:
            shown[same] = replace(shown[same], left_out=(*shown[same].left_out, record.id))
    if not shown:
        which = f"run {records[0].id}" if run else "no run of this store"
        verb = "has not" if run else "has"
        raise UsageError(f"{which} {verb} been evaluated; `ipgraph evaluate DATASET|RUN` does that")
    return shown


def _evaluated(store: "Store", run: Run) -> EvaluatedRun:
    rows = ask("measures", store, run=run.id)
    return EvaluatedRun(run, {_key(row): _estimate(row) for row in rows}, rows.cypher)


def _key(row: Mapping[str, Any]) -> MeasureKey:
    return MeasureKey(*(row[name] for name in MeasureKey._fields))


def _estimate(row: Mapping[str, Any]) -> Estimate:
    return Estimate(*(row[name] for name in ("value", "low", "high", "count", "draws", "word", "note")))


def _replaces(store: "Store", shown: Run, other: Run) -> bool:
    """Tell whether a run that is shown stands for another one too: it has all of its instances."""
    alike = all(getattr(shown, name) == getattr(other, name) for name in ("model", "dataset", *SETTINGS))
    return alike and store.read(_SHARED, {"run": shown.id, "other": other.id}).rows == [[other.instances]]


def _rank(run: Run) -> tuple[bool, int, str]:
    return run.level == "both", run.instances, run.created


def cypher_of(tasks: Iterable[Task]) -> str:
    """Return the query behind the estimates of tasks."""
    return next((task.evaluated.cypher for task in tasks), "")


def tasks_of(evaluated: Iterable[EvaluatedRun]) -> list[Task]:
    """Return every task of these runs, named by dataset or subtask, and by model if they differ.

    Names that several have are told apart by the beginning of the run's id.
    """
    evaluated = sorted(evaluated, key=lambda e: (e.run.model_name, e.run.dataset))
    several = len({e.run.model for e in evaluated}) > 1
    tasks = [
        Task((grouping or e.run.dataset) + (_model_of(e.run) if several else ""), e, grouping)
        for e in evaluated
        for grouping in e.groupings
    ]
    times = Counter(task.name for task in tasks)
    return [task if times[task.name] == 1 else _with_run(task) for task in tasks]


def _model_of(run: Run) -> str:
    """Return the last part of a model's hub id or folder in brackets: headings have little room."""
    return f" ({model_title(run)})"


def _with_run(task: Task) -> Task:
    return replace(task, name=f"{task.name} ({task.evaluated.run.id[:SHORT]})")


def one_per_task(tasks: Sequence[Task]) -> list[Task]:
    """Return, of each model and bare name, the task of most instances, of equally many the newest."""
    ranked = sorted(tasks, key=_task_rank)
    best = {(task.evaluated.run.model, task.bare_name): task.name for task in ranked}
    return [task for task in tasks if task.name in best.values()]


def _task_rank(task: Task) -> tuple[bool, int, str]:
    is_both, _, created = _rank(task.evaluated.run)
    qoi = task.estimate(QOI)
    return is_both, qoi.instances if qoi else 0, created


def by_model(tasks: Sequence[Task]) -> list[list[Task]]:
    """Return tasks apart by model: entropy and QoI of different models have different scales."""
    models = dict.fromkeys(task.evaluated.run.model for task in tasks)
    return [[task for task in tasks if task.evaluated.run.model == model] for model in models]


QOI = MeasureKey("qoi", "gpr", "")
"""The mean QoI of a task's most frequent structure."""
