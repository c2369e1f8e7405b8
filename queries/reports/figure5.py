"""Figure 5 of Lu et al. (2021) in numbers: pattern entropy against influence, and against the QoI."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ipgraph.queries.reports.correlation import Coefficient, correlate
from ipgraph.queries.reports.declaration import Report, RunId
from ipgraph.queries.reports.evaluation import runs_note
from ipgraph.queries.reports.parts import OUR_CHOICE
from ipgraph.queries.reports.tables import Table, count, number, text
from ipgraph.queries.views.evaluated import (
    QOI,
    EvaluatedRun,
    Task,
    by_model,
    cypher_of,
    evaluated_runs,
    one_per_task,
    tasks_of,
)
from ipgraph.queries.views.figure5 import ATTRACTOR, SERIES, by_position, by_task

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

CAUTION = (
    "p: two-sided, by permutation (exact up to 8 points, else 10,000 drawn); the points are few and not "
    "independent: a coefficient describes them, and is not evidence by itself"
)
Pairs = Sequence[tuple[float, float]]


def figure5(store: "Store", *, run: RunId = "") -> list[Table]:
    """The paper's Figure 5 in numbers: pattern entropy against influence and against the QoI."""
    return figure5_of(evaluated_runs(store, run))


def figure5_of(evaluated: Iterable[EvaluatedRun]) -> list[Table]:
    """Return entropy and mean |influence| by position of each task, those of a model's, and correlations."""
    tasks = tasks_of(evaluated)
    positions = [table for task in tasks for table in _by_position(task)]
    return [*positions, *(table for alike in by_model(tasks) for table in _by_task(alike))]


def _by_task(tasks: list[Task]) -> list[Table]:
    """Return the entropy of Pi_+ and the mean QoI of a model's tasks (5b), and their correlations."""
    shown = one_per_task(tasks)
    points = {series.name: {p.task.name: p for p in by_task(shown, series)} for series in SERIES}
    rows: list[list[object]] = []
    for task in shown:
        if qoi := task.estimate(QOI):
            of_task = [named.get(task.name) for named in points.values()]
            rows.append([task.name, qoi.instances, qoi, *(p and p.entropy for p in of_task)])
    columns = (text("task"), count("instances"), text("mean QoI"), *(text(f"H of {s.name}") for s in SERIES))
    said = [
        "H of Pi_+ (attention: of its paths from the same words), in bits per node†",
        OUR_CHOICE,
        *_structures(shown),
    ]
    if left := [task.name for task in tasks if task not in shown]:
        said.append(f"one point per task, of its largest or newest run; left out: {', '.join(left)}")
    title = "Entropy of Pi_+ and mean QoI, by task (Figure 5b)"
    pairs = {name: [(p.entropy.value, p.qoi.value) for p in named.values()] for name, named in points.items()}
    return [
        Table(title, columns, rows, "; ".join([*said, runs_note(shown)]), cypher_of(shown)),
        _correlations("Correlation of H of Pi_+ and mean QoI (5b)", pairs, shown),
    ]


def _structures(tasks: list[Task]) -> list[str]:
    """Return which sentences the estimates of tasks are of, as notes say, tasks of one note together."""
    notes: dict[str, list[str]] = {}
    for task in tasks:
        if qoi := task.estimate(QOI):
            notes.setdefault(qoi.note, []).append(task.name)
    return [f"{', '.join(names)}: {note}" for note, names in notes.items() if note]


def _by_position(task: Task) -> list[Table]:
    """Return the estimates of one task's positions (5a), and correlations with and without attractors."""
    points = {series.name: {p.position: p for p in by_position(task, series)} for series in SERIES}
    rows: list[list[object]] = []
    pairs: dict[str, Pairs] = {}
    for name, placed in points.items():
        pairs[name] = [(p.entropy.value, p.influence.value) for p in placed.values()]
        plain = [(p.entropy.value, p.influence.value) for p in placed.values() if p.word != ATTRACTOR]
        if len(plain) < len(placed):
            pairs[f"{name}, without attractors"] = plain
    words = {p.position: p.word for placed in points.values() for p in placed.values()}
    for position, word in sorted(words.items()):
        at = [placed.get(position) for placed in points.values()]
        cells = [(p.entropy, p.influence) if p else (None, None) for p in at]
        rows.append([position, word, *(cell for pair in cells for cell in pair)])
    if not rows:
        return []
    shown = (c for s in SERIES for c in (number(f"H of {s.name}", 4), number(f"|I| of {s.name}")))
    said = [
        "in bits per node†; 95% bootstrap intervals over instances",
        OUR_CHOICE,
        *_structures([task]),
        runs_note([task]),
    ]
    title = f"Entropy and mean |influence| by position of {task.name} (Figure 5a)"
    return [
        Table(title, (count("position"), text("word"), *shown), rows, "; ".join(said), cypher_of([task])),
        _correlations(f"Correlation of H and mean |influence| of {task.name} (5a)", pairs, [task]),
    ]


def _correlations(title: str, pairs: Mapping[str, Pairs], tasks: list[Task]) -> Table:
    coefficients = (
        number("Pearson r", 2),
        number("p of r", 4),
        number("Spearman rho", 2),
        number("p of rho", 4),
    )
    columns = (text("series"), count("points"), *coefficients)
    rows: list[list[object]] = [
        [name, len(points), *_coefficient("pearson", points), *_coefficient("spearman", points)]
        for name, points in pairs.items()
        if points
    ]
    return Table(title, columns, rows, f"{CAUTION}; {runs_note(tasks)}", cypher_of(tasks))


def _coefficient(coefficient: Coefficient, points: Pairs) -> tuple[float | None, float | None]:
    correlation = correlate(coefficient, [x for x, _ in points], [y for _, y in points])
    return (None, None) if correlation is None else (correlation.value, correlation.p)


REPORTS = (Report("figure5", "Figure 5", figure5, needs="evaluation"),)
