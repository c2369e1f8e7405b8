"""Figure 5 of Lu et al. (2021) as panels: pattern entropy by position and influence, by task and mean QoI."""

from collections.abc import Iterator, Sequence

from ipgraph.cli.figures.plots import Point, Series
from ipgraph.cli.figures.scatter import Scatter
from ipgraph.graphstore.common.errors import unknown
from ipgraph.graphstore.schema.records import Level
from ipgraph.queries.reports.correlation import correlate, pearson
from ipgraph.queries.views.evaluated import Column, by_model, one_a_task

PATHS: tuple[tuple[str, str, Level], ...] = (
    ("Πᵉ", "gpr", "embedding"),
    ("Πᵃ", "gpr", "attention"),
    ("attention", "attention", "embedding"),
)
"""Whose entropy is shown: what it is called, method and level."""
ATTRACTOR = "attractor"
BITS = "entropy (bits a node)"


def entropy_panels(tasks: Sequence[Column], task: str = "") -> list[list[Scatter]]:
    """Return a row of panels by position of one task (the first unless named), and one by its model's tasks.

    Raises UsageError for a task that was not evaluated.
    """
    names = [column.name for column in tasks]
    if task and task not in names:
        raise unknown("evaluated task", task, names)
    chosen = tasks[names.index(task) if task else 0]
    own = next(own for own in by_model(tasks) if chosen in own)
    alike = one_a_task(own)
    left_out = "\nof each task the largest or newest run" if len(alike) < len(own) else ""
    rows = [list(_by_position(chosen)), list(_by_task(alike, left_out)) if len(alike) > 1 else []]
    return [row for row in rows if row]


def _by_position(task: Column) -> Iterator[Scatter]:
    for name, method, level in PATHS:
        points = list(_positions(task, method, level))
        if points:
            plain = [p for p in points if not p.is_marked]
            note = f"{name} by position of {task.task}\nr = {_correlation(points)}"
            if len(plain) < len(points):
                note += f"\nwithout attractors {_correlation(plain)}"
            yield Scatter("mean |influence|", BITS, (Series(name, tuple(points)),), note)


def _positions(task: Column, method: str, level: Level) -> Iterator[Point]:
    variants = {k.variant for k in task.evaluated.figures if k.metric == "position_entropy"}
    for variant in sorted(variants):
        entropy = task.figure("position_entropy", method, level, variant)
        influence = task.figure("position_influence", method, level, variant)
        if entropy is not None and influence is not None:
            word = entropy.note.partition("; ")[0]
            yield Point(
                influence.value, entropy.value, entropy.low, entropy.high, word, is_marked=word == ATTRACTOR
            )


def _by_task(tasks: Sequence[Column], left_out: str) -> Iterator[Scatter]:
    for name, method, level in PATHS:
        points = []
        for task in tasks:
            entropy, qoi = task.figure("entropy", method, level), task.figure("qoi", "gpr", "")
            if entropy is not None and qoi is not None:
                points.append(Point(qoi.value, entropy.value, entropy.low, entropy.high, task.task))
        if points:
            note = f"{name} by task\nr = {_correlation(points)}{left_out}"
            yield Scatter("mean q", BITS, (Series(name, tuple(points)),), note)


def _correlation(points: Sequence[Point]) -> str:
    found = correlate(pearson, [p.value for p in points], [p.x for p in points])
    if found is None:
        return "–"
    p = f"p = {found.p:.3f}" if found.p >= 0.001 else "p < 0.001"
    return f"{found.value:+.2f} ({p})".replace("-", "−")
