"""A run made of another: the same records, some of them changed or left out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ipgraph.graphstore.runs.directory import RunDirectory, Shard
from ipgraph.graphstore.schema.records import Instance, Pattern, Prediction


def remade(
    source: RunDirectory,
    root: Path,
    *,
    instances: Callable[[Instance], Instance] = lambda row: row,
    predictions: Callable[[Prediction], Prediction | None] = lambda row: row,
    patterns: Callable[[Pattern], Pattern | None] = lambda row: row,
    **fields: object,
) -> RunDirectory:
    """Write a finished run anew, its rows as these return them, without those that are None.

    An instance whose prediction is left out is left out with its patterns, scores, views and matrices.
    `fields` replace those of the run itself.
    """
    made = RunDirectory.create(
        root, {"remade": source.id}, fields=source.fields | fields, environment={}, shards=1
    )
    kept = [row for row in map(predictions, source.records("predictions")) if row is not None]
    ids = {row.instance for row in kept}
    paths = [row for row in map(patterns, source.records("patterns")) if row is not None]
    renamed = {row.id: row.id.replace(source.id, made.id) for row in paths if row.instance in ids}
    steps = [step for step in source.records("steps") if step.pattern in renamed]
    shard = Shard(
        instances=[instances(row) for row in source.records("instances") if row.id in ids],
        predictions=[replace(row, run=made.id) for row in kept],
        patterns=[replace(row, run=made.id, id=renamed[row.id]) for row in paths if row.id in renamed],
        steps=[replace(step, pattern=renamed[step.pattern]) for step in steps],
        further={
            name: [replace(row, run=made.id) for row in source.records(name) if row.instance in ids]
            for name in ("attributions", "views", "matrices")
        },
    )
    made.write_shard(0, shard)
    made.finish()
    return made
