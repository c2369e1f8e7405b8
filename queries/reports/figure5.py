"""Figure 5 of Lu et al. (2021) in numbers: pattern entropy against influence, and against the QoI."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ipgraph.queries.reports.correlation import Coefficient, correlate, pearson, spearman
from ipgraph.queries.reports.evaluation import runs_note
from ipgraph.queries.reports.tables import Table, count, number, text
from ipgraph.queries.views.evaluated import (
    Column,
    Evaluated,
    by_model,
    cypher_of,
    evaluated_runs,
    one_a_task,
    task_columns,
)

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

SERIES = (
    ("Pi^e", "gpr", "embedding"),
    ("Pi^a", "gpr", "attention"),
    ("attention^e", "attention", "embedding"),
)
"""The patterns whose entropy is shown: what they are called, their method and level."""
CAUTION = (
    "p: two-sided, by permutation (exact up to 8 points, else 10,000 drawn); the points are few and not "
    "independent: a coefficient describes them, and is no evidence by itself"
)
Pairs = list[tuple[float, float]]


def figure5(store: "Store", *, run: str = "") -> list[Table]:
    """The paper's Figure 5 in numbers: pattern entropy against influence and against the QoI."""
    return figure5_of(evaluated_runs(store, run))


def figure5_of(evaluated: Iterable[Evaluated]) -> list[Table]:
    """Return entropy and mean |influence| by position of each task, those of a model's, and correlations."""
    tasks = task_columns(evaluated)
    by_position = [table for task in tasks for table in _by_position(task)]
    return [*by_position, *(table for alike in by_model(tasks) for table in _by_task(alike))]


def _by_task(every: list[Column]) -> list[Table]:
    """Return the entropy of Pi_+ and the mean QoI of a model's tasks (5b), and their correlations."""
    tasks = one_a_task(every)
    rows: list[list[object]] = []
    points: dict[str, Pairs] = {}
    for task in tasks:
        qoi = task.figure("qoi", "gpr", "")
        if qoi is None:
            continue
        found = {label: task.figure("entropy", method, level) for label, method, level in SERIES}
        rows.append([task.name, qoi.instances, qoi, *found.values()])
        for label, entropy in found.items():
            if entropy is not None:
                points.setdefault(label, []).append((entropy.value, qoi.value))
    columns = (text("task"), count("instances"), text("mean QoI"), *(text(f"H of {s[0]}") for s in SERIES))
    said = ["H of Pi_+ (attention: of its paths from the same words), bits a node (O)", *_structures(tasks)]
    if left := [task.name for task in every if task not in tasks]:
        said.append(f"one point a task, of its largest or newest run; left out: {', '.join(left)}")
    note = "; ".join([*said, runs_note(tasks)])
    title = "Entropy of Pi_+ and mean QoI, by task (Figure 5b)"
    return [
        Table(title, columns, rows, note, cypher_of(tasks)),
        _correlations("Correlation of H of Pi_+ and mean QoI (5b)", points, tasks),
    ]


def _structures(tasks: list[Column]) -> list[str]:
    """Return which sentences the figures of tasks are of, as their notes say, tasks of one note together."""
    notes: dict[str, list[str]] = {}
    for task in tasks:
        if qoi := task.figure("qoi", "gpr", ""):
            notes.setdefault(qoi.note, []).append(task.name)
    return [f"{', '.join(names)}: {note}" for note, names in notes.items() if note]


def _by_position(task: Column) -> list[Table]:
    """Return the figures of one task's positions (5a), and their correlations with and without attractors."""
    rows: list[list[object]] = []
    points: dict[str, Pairs] = {}
    note = ""
    for variant in _variants(task):
        cells: list[object] = []
        name = ""
        for label, method, level in SERIES:
            entropy = task.figure("position_entropy", method, level, variant)
            influence = task.figure("position_influence", method, level, variant)
            if entropy is None or influence is None:
                cells += [None, None]
                continue
            cells += [entropy.value, influence.value]
            name, _, note = entropy.note.partition("; ")
            kept = [label] if name == "attractor" else [label, f"{label}, without attractors"]
            for series in kept:
                points.setdefault(series, []).append((entropy.value, influence.value))
        rows.append([int(variant.partition("=")[2]), name, *cells])
    if not rows:
        return []
    shown = (c for label, *_ in SERIES for c in (number(f"H of {label}", 4), number(f"|I| of {label}")))
    said = f"bits a node (O); {note}; {runs_note([task])}"
    title = f"Entropy and mean |influence| by position of {task.name} (Figure 5a)"
    return [
        Table(title, (count("position"), text("word"), *shown), rows, said, cypher_of([task])),
        _correlations(f"Correlation of H and mean |influence| of {task.name} (5a)", points, [task]),
    ]


def _variants(task: Column) -> list[str]:
    keys = task.evaluated.figures
    return sorted({k.variant for k in keys if (k.metric, k.grouping) == ("position_entropy", task.grouping)})


def _correlations(title: str, points: dict[str, Pairs], tasks: list[Column]) -> Table:
    coefficients = (
        number("Pearson r", 2),
        number("p of r", 4),
        number("Spearman rho", 2),
        number("p of rho", 4),
    )
    columns = (text("series"), count("points"), *coefficients)
    rows: list[list[object]] = [
        [label, len(pairs), *_coefficient(pearson, pairs), *_coefficient(spearman, pairs)]
        for label, pairs in points.items()
        if len(pairs) != len(points[label.partition(",")[0]]) or "," not in label
    ]
    return Table(title, columns, rows, f"{CAUTION}; {runs_note(tasks)}", cypher_of(tasks))


def _coefficient(coefficient: Coefficient, pairs: Pairs) -> tuple[float | None, float | None]:
    found = correlate(coefficient, [x for x, _ in pairs], [y for _, y in pairs])
    return (None, None) if found is None else (found.value, found.p)
