"""Figure 5 of Lu et al. (2021) as points: pattern entropy by position and influence, by task and mean QoI."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ipgraph.graphstore.schema.measures import MeasureKey
from ipgraph.graphstore.schema.records import Level
from ipgraph.queries.views.evaluated import QOI, Estimate, Task

ATTRACTOR = "attractor"


class PathSeries(NamedTuple):
    """The paths whose entropy is shown: what they are called in text and in print, method and level."""

    name: str
    symbol: str
    method: str
    level: Level


SERIES = (
    PathSeries("Pi^e", "Πᵉ", "gpr", "embedding"),
    PathSeries("Pi^a", "Πᵃ", "gpr", "attention"),
    PathSeries("attention^e", "attention", "attention", "embedding"),
)


class PositionPoint(NamedTuple):
    """What was measured of the words at one position, and what stands there."""

    position: int
    word: str
    influence: Estimate
    entropy: Estimate


class TaskPoint(NamedTuple):
    """What was measured of one task."""

    task: Task
    qoi: Estimate
    entropy: Estimate


def by_position(task: Task, series: PathSeries) -> Iterator[PositionPoint]:
    """Yield a task's positions in order (5a)."""
    for key in task.keys:
        if key[:3] == ("position_entropy", series.method, series.level):
            entropy, influence = task.estimate(key), task.estimate(key._replace(metric="position_influence"))
            if entropy is not None and influence is not None:
                yield PositionPoint(key.position, entropy.word, influence, entropy)


def by_task(tasks: Sequence[Task], series: PathSeries) -> Iterator[TaskPoint]:
    """Yield the tasks that have both a mean QoI and an entropy of Pi_+ (5b)."""
    for task in tasks:
        entropy = task.estimate(MeasureKey("entropy", series.method, series.level))
        qoi = task.estimate(QOI)
        if entropy is not None and qoi is not None:
            yield TaskPoint(task, qoi, entropy)
