"""What a store holds, counted in it and from run directories, and run directories that differ from it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ladybug

from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.graphstore.store.protocol import Store
from support.fixtures import MEMORY
from support.shards import read_shard


def rows(store: Store, cypher: str, **parameters: Any) -> list[dict[str, Any]]:
    result = store.read(cypher, parameters)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def count(store: Store, pattern: str) -> int:
    return int(rows(store, f"MATCH {pattern} RETURN count(*) AS found")[0]["found"])


def counts(store: Store) -> dict[str, int]:
    patterns = {
        "Run": "(:Run)",
        "Instance": "(:Instance)",
        "Pattern": "(:Pattern)",
        "Node": "(:Node)",
        "Measure": "(:Measure)",
        "PREDICTED": "(:Run)-[:PREDICTED]->(:Instance)",
        "PRODUCED": "(:Run)-[:PRODUCED]->(:Pattern)",
        "HAS_PATTERN": "(:Instance)-[:HAS_PATTERN]->(:Pattern)",
        "THROUGH": "(:Pattern)-[:THROUGH]->(:Node)",
        "ATTRIBUTES": "(:Run)-[:ATTRIBUTES]->(:Instance)",
        "VIEWS": "(:Run)-[:VIEWS]->(:Instance)",
        "FLOWS_TO": "(:Node)-[:FLOWS_TO]->(:Node)",
        "CONTRIBUTES": "(:Node)-[:CONTRIBUTES]->(:Node)",
        "MEASURED": "(:Run)-[:MEASURED]->(:Measure)",
    }
    return {name: count(store, pattern) for name, pattern in patterns.items()}


def due(*runs: RunDirectory) -> dict[str, int]:
    """Count from the run directories what a store that holds exactly these must hold."""
    patterns = [pattern for run in runs for pattern in run.records("patterns")]
    steps = sum(len(list(run.records("steps"))) for run in runs)
    predictions = sum(len(list(run.records("predictions"))) for run in runs)
    sizes: dict[str, tuple[GraphShape, int]] = {}
    for record in (run.run for run in runs):
        reach = max(record.positions, sizes[record.model][1] if record.model in sizes else 0)
        sizes[record.model] = (GraphShape.from_json(record.graph), reach)
    graphs = [graph.digraph(model, *size) for model, size in sizes.items()]
    measures = sum(len(run.measures()) for run in runs)
    return {
        "Run": len(runs),
        "Instance": len({instance.id for run in runs for instance in run.records("instances")}),
        "Pattern": len({pattern.id for pattern in patterns}),
        "Node": sum(one.number_of_nodes() for one in graphs),
        "Measure": measures,
        "PREDICTED": predictions,
        "PRODUCED": len(patterns),
        "HAS_PATTERN": len(patterns),
        "THROUGH": steps,
        "ATTRIBUTES": sum(len(list(run.records("attributions"))) for run in runs),
        "VIEWS": sum(len(list(run.records("views"))) for run in runs),
        "FLOWS_TO": sum(one.number_of_edges() for one in graphs),
        "CONTRIBUTES": sum(len(list(run.records("contributions"))) for run in runs),
        "MEASURED": measures,
    }


def changed_copy(run: RunDirectory, folder: Path, table: str, change: Callable[[Any], Any]) -> RunDirectory:
    """Copy a run directory and change the first record of a table, leaving the run's id as it is."""
    path = folder / run.id
    shutil.copytree(run.path, path)
    copy = RunDirectory.open(path)
    shard = read_shard(copy, 0)
    records = shard.records()[table]
    records[0] = change(records[0])
    shutil.rmtree(path / "shards" / "00000")
    copy.write_shard(0, shard)
    return copy


def spoil_version(path: Path) -> None:
    """Give an embedded store the first schema version."""
    with ladybug.Database(path, **MEMORY) as database:
        ladybug.Connection(database).execute("COMMENT ON TABLE Run IS 'ipgraph schema version 1'")
