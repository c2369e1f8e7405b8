"""What is plotted over layers and heads: the skip share, the heads passed, and how close choices were."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ipgraph.graphstore.common.bootstrap import ratio_interval
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.records import Run, levels_of
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, ask
from ipgraph.queries.views.scope import ALL, scope_name

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

Grouping = Literal["", "subtask", "condition"]

WITHIN = {**{f"within_1e_{power}": 10.0**-power for power in range(6, 0, -1)}, "within_1": 1.0}
"""Columns of the query `margins`, and the part of |q| that each counts margins up to."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value at x with its 95% interval (None if unknown) and its label."""

    x: float
    value: float
    low: float | None = None
    high: float | None = None
    label: str = ""
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class HeadMap:
    """The share of patterns through each head: `shares[layer - 1][head - 1]`."""

    title: str
    shares: tuple[tuple[float, ...], ...]


def skip_shares(
    store: "Store", run: Run, *, subtask: str = "", condition: str = "", by: Grouping = "", seed: int = 0
) -> list[Series]:
    """Return the skip share of each layer with 95% intervals over instances, one series per group.

    Raises UsageError where no pattern is of the subtask and condition.
    """
    scope: Parameters = {"run": run.id, "subtask": subtask, "condition": condition}
    counts: dict[str, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for row in ask("skip-share-by-instance", store, **scope, limit=NO_LIMIT):
        group = str(row[by]) if by else scope_name(subtask, condition) or ALL
        counts[group][row["layer"]].append((row["skips"], row["skips"] + row["heads"]))
    if not counts:
        raise UsageError(f"run {run.id} has no patterns of this subtask and condition")
    return [Series(group, _shares(counts[group], seed)) for group in sorted(counts)]


def _shares(by_layer: dict[int, list[tuple[int, int]]], seed: int) -> tuple[Point, ...]:
    points = []
    for layer, counts in sorted(by_layer.items()):
        skips, steps = zip(*counts, strict=True)
        share = ratio_interval(skips, steps, seed)
        points.append(Point(layer, share.value, share.low, share.high))
    return tuple(points)


def head_map(
    store: "Store", run: Run, *, role: str = "", subtask: str = "", condition: str = "", title: str = ""
) -> HeadMap:
    """Return what share of the patterns passes each head, of words in a role (of all words where empty).

    Raises UsageError where no pattern of such a role, subtask and condition passes a head.
    """
    scope: Parameters = {"run": run.id, "role": role, "subtask": subtask, "condition": condition}
    rows = ask("heads-by-traversal", store, **scope, limit=NO_LIMIT)
    shares = {(row["layer"], row["head"]): row["pattern_share"] for row in rows}
    if not shares and (role or subtask or condition):
        what = f"words in the role {role!r}" if role else "patterns"
        raise UsageError(f"run {run.id} has no {what} of this subtask and condition that pass a head")
    layers, heads = range(1, run.layers + 1), range(1, run.heads + 1)
    return HeadMap(title, tuple(tuple(shares.get((layer, head), 0.0) for head in heads) for layer in layers))


def margin_panels(
    store: "Store", run: Run, *, subtask: str = "", condition: str = ""
) -> list[tuple[str, Sequence[Series]]]:
    """Return, by level and layer, the share of choices whose margin is at most each part of |q|."""
    scope: Parameters = {"run": run.id, "subtask": subtask, "condition": condition}
    panels: list[tuple[str, Sequence[Series]]] = []
    for level in levels_of(run.level):
        series = [
            Series(
                str(row["layer"]),
                tuple(Point(part, row[name] / row["choices"]) for name, part in WITHIN.items()),
            )
            for row in ask("margins", store, level=level, **scope)
        ]
        if series:
            title = ", ".join(filter(None, [f"{level} level", scope_name(subtask, condition)]))
            panels.append((title, series))
    return panels
