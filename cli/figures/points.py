"""What the plots show, asked of a store by templates."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ipgraph.cli.figures.gather import ALL, EVERY, levels, scope_name
from ipgraph.cli.figures.plots import HeadMap, Point, Series
from ipgraph.graphstore.common.bootstrap import ratio_interval
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.records import Run
from ipgraph.queries.language.running import ask

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

Grouping = Literal["", "subtask", "condition"]
Rows = Iterable[dict[str, Any]]

WITHIN = {"within_1": 1.0, **{f"within_1e_{power}": 10.0**-power for power in range(1, 7)}}
"""Columns of the query `margins`: what part of |q| a margin is at most."""


def skip_shares(
    store: "Store", run: Run, *, subtask: str = "", condition: str = "", by: Grouping = "", seed: int = 0
) -> list[Series]:
    """Return the skip share of each layer with intervals over instances: a series a group, or one of all."""
    scope: dict[str, Any] = {"run": run.id, "subtask": subtask, "condition": condition, "limit": EVERY}
    rows: Rows = ask("skip-share-by-instance", store, **scope)
    counts: dict[str, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
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
    """Return what share of the patterns passes each head, of words in a role (of all words where empty)."""
    scope: dict[str, Any] = {"subtask": subtask, "condition": condition, "limit": EVERY}
    rows: Rows = ask("heads-by-traversal", store, run=run.id, role=role, **scope)
    shares = {(row["layer"], row["head"]): row["pattern_share"] for row in rows}
    if not shares and (role or subtask or condition):
        what = f"words in the role {role!r}" if role else "patterns"
        raise UsageError(f"run {run.id} has no {what} of this subtask and condition that pass a head")
    layers, heads = range(1, run.layers + 1), range(1, run.heads + 1)
    return HeadMap(title, tuple(tuple(shares.get((la, h), 0.0) for h in heads) for la in layers))


def margin_panels(
    store: "Store", run: Run, *, subtask: str = "", condition: str = ""
) -> list[tuple[str, Sequence[Series]]]:
    """Return, by level and layer, the shares of choices whose margin is at most such a part of |q|."""
    scope = {"run": run.id, "subtask": subtask, "condition": condition}
    panels: list[tuple[str, Sequence[Series]]] = []
    for level in levels(run):
        rows: Rows = ask("margins", store, level=level, **scope)
        series = [
            Series(
                str(row["layer"]),
                tuple(
                    Point(part, row[name] / row["choices"])
                    for name, part in sorted(WITHIN.items(), key=_part)
                ),
            )
            for row in rows
        ]
        if series:
            title = ", ".join(filter(None, [f"{level} level", scope_name(subtask, condition)]))
            panels.append((title, series))
    return panels


def _part(item: tuple[str, float]) -> float:
    return item[1]
