"""A run in which every pattern that passes a head passes the last head of its layer."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ipgraph.graphstore.runs.directory import RunDirectory, Shard
from ipgraph.graphstore.schema.labels import node_id, node_label, role_label, target_label
from ipgraph.graphstore.schema.records import Pattern, Prediction, Step
from support.fixtures import HEADS, MODEL

MEETING = 2
"""The position to which every word moves in layer 2, before all move to the target in layer 3."""


def one_head_run(source: RunDirectory, root: Path) -> RunDirectory:
    """Write a run over the instances of another, of three layers, whose words take skips and head HEADS."""
    run = RunDirectory.create(root, {"one head": source.id}, fields=source.fields, environment={}, shards=1)
    predictions = [replace(row, run=run.id) for row in source.records("predictions")]
    by_instance = {row.instance: row for row in predictions}
    shard = Shard(instances=list(source.records("instances")), predictions=predictions)
    for pattern in source.records("patterns"):
        prediction = by_instance[pattern.instance]
        key = pattern.id.replace(source.id, run.id)
        steps = list(_steps(key, pattern, prediction.target))
        shard.patterns.append(_pattern(replace(pattern, id=key, run=run.id), prediction, steps))
        shard.steps += steps
    run.write_shard(0, shard)
    run.finish()
    return run


def _steps(key: str, pattern: Pattern, target: int) -> Iterator[Step]:
    """Yield the steps of a word: where it stays it takes the skip, and the last head comes second."""
    stops = (pattern.position, pattern.position, MEETING, target)
    labels: list[tuple[str, int | None]] = [(node_label("input", 0, stops[0]), None)]
    for layer in (1, 2, 3):
        at = stops[layer]
        stays = at == stops[layer - 1]
        through = node_label("skip", layer, at) if stays else node_label("head", layer, at, HEADS)
        labels += [(through, HEADS if stays else None)] * (pattern.level == "attention")
        labels.append((node_label("embedding", layer, at), None))
    for number, (label, second) in enumerate(labels):
        margin = None if second is None else 0.5
        yield Step(key, number, node_id(MODEL, label), pattern.influence, margin, second)


def _pattern(pattern: Pattern, prediction: Prediction, steps: list[Step]) -> Pattern:
    labels = [step.node.rpartition("/")[2] for step in steps]
    places = [(label, int(label[-4:])) for label in labels]
    return replace(
        pattern,
        path=[step.node for step in steps],
        route=" ".join(labels),
        role_route=" ".join(role_label(label, prediction.roles[at]) for label, at in places),
        target_route=" ".join(target_label(label, prediction.target) for label in labels),
    )
