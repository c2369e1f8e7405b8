"""Figure 5 of Lu et al. (2021) as panels: pattern entropy by position and influence, by task and mean QoI."""

from collections.abc import Iterator, Sequence

from ipgraph.cli.figures.scatter import Scatter
from ipgraph.graphstore.common.errors import unknown
from ipgraph.queries.reports.correlation import correlate
from ipgraph.queries.views.charts import Point, Series
from ipgraph.queries.views.evaluated import Task, by_model, one_per_task
from ipgraph.queries.views.figure5 import ATTRACTOR, SERIES, by_position, by_task

BITS = "entropy (bits per node)"


def entropy_panels(tasks: Sequence[Task], name: str = "") -> list[list[Scatter]]:
    """Return a row of panels by position of one task (the first unless named), and one by its model's tasks.

    Raises UsageError for a task that was not evaluated.
    """
    names = [task.name for task in tasks]
    if name and name not in names:
        raise unknown("evaluated task", name, names)
    chosen = tasks[names.index(name) if name else 0]
    of_model = next(alike for alike in by_model(tasks) if chosen in alike)
    shown = one_per_task(of_model)
    left_out = "\nof each task the largest or newest run" if len(shown) < len(of_model) else ""
    rows = [list(_position_panels(chosen)), list(_task_panels(shown, left_out)) if len(shown) > 1 else []]
    return [row for row in rows if row]


def _position_panels(task: Task) -> Iterator[Scatter]:
    for series in SERIES:
        points = [
            Point(
                p.influence.value,
                p.entropy.value,
                p.entropy.low,
                p.entropy.high,
                p.word,
                is_marked=p.word == ATTRACTOR,
            )
            for p in by_position(task, series)
        ]
        if points:
            plain = [p for p in points if not p.is_marked]
            note = f"{series.symbol} by position of {task.bare_name}\nr = {_correlation(points)}"
            if len(plain) < len(points):
                note += f"\nwithout attractors {_correlation(plain)}"
            yield Scatter("mean |influence|", BITS, (Series(series.symbol, tuple(points)),), note)


def _task_panels(tasks: Sequence[Task], left_out: str) -> Iterator[Scatter]:
    for series in SERIES:
        points = [
            Point(p.qoi.value, p.entropy.value, p.entropy.low, p.entropy.high, p.task.bare_name)
            for p in by_task(tasks, series)
        ]
        if points:
            note = f"{series.symbol} by task\nr = {_correlation(points)}{left_out}"
            yield Scatter("mean q", BITS, (Series(series.symbol, tuple(points)),), note)


def _correlation(points: Sequence[Point]) -> str:
    correlation = correlate("pearson", [p.value for p in points], [p.x for p in points])
    if correlation is None:
        return "–"
    p = f"p = {correlation.p:.3f}" if correlation.p >= 0.001 else "p < 0.001"
    return f"{correlation.value:+.2f} ({p})".replace("-", "−")
