"""The runs that templates are tried on, on both stores."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fixtures import make_measures, make_run

from ipgraph.graphstore.runs import OWN_FIELDS, RunDirectory, Shard
from ipgraph.graphstore.schema import Pattern


def query_runs(root: Path) -> list[RunDirectory]:
    """Make two runs over the same instances, and two that a template must never mix in.

    The first has measures. The second lacks the word at position 2 in every other instance or so.
    """
    first = make_run(root)
    first.write_measures(make_measures(first))
    second = remade(make_run(root / "whole", seed=1), root, _unless_at_2)
    return [first, second, make_run(root, seed=2), make_run(root, dataset="ra-na", model="toy2-0", layers=2)]


def remade(
    source: RunDirectory, root: Path, change: Callable[[Pattern], Pattern | None], **evaluation: Any
) -> RunDirectory:
    """Write a run with a finished one's patterns, each changed or left out, and fields of its evaluations."""
    fields = {name: value for name, value in source.manifest["run"].items() if name not in OWN_FIELDS}
    made = RunDirectory.create(root, {"remade": source.id}, fields=fields, environment={}, shards=1)
    patterns = [
        replace(pattern, run=made.id, id=pattern.id.replace(source.id, made.id))
        for found in source.records("patterns")
        if (pattern := change(found)) is not None
    ]
    kept = {pattern.id for pattern in patterns}
    steps = [replace(s, pattern=s.pattern.replace(source.id, made.id)) for s in source.records("steps")]
    shard = Shard(
        list(source.records("instances")),
        [replace(e, run=made.id, **evaluation) for e in source.records("evaluations")],
        patterns,
        [step for step in steps if step.pattern in kept],
    )
    made.write_shard(0, shard)
    made.finish()
    return made


def _unless_at_2(pattern: Pattern) -> Pattern | None:
    return None if pattern.position == 2 and pattern.instance[-1] in "02468ace" else pattern
