"""A store in other programs' formats: GraphML and JSON by way of networkx, CSV for Neo4j's import."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipgraph.graphstore.common.errors import UsageError, unknown
from ipgraph.graphstore.common.files import staging_folder
from ipgraph.graphstore.runs.content import Row
from ipgraph.graphstore.schema import tables
from ipgraph.graphstore.schema.records import Pattern, columns
from ipgraph.graphstore.schema.tables import Table
from ipgraph.graphstore.store import reading
from ipgraph.graphstore.store.protocol import Progress, Store

if TYPE_CHECKING:
    import networkx as nx

FORMATS = ("graphml", "json", "neo4j-admin")
NODE_LINK = {"source": "from", "target": "to", "edges": "edges"}
"""networkx's names for the parts of node-link JSON; its own `target` would hide ours."""
READERS = {
    "graphml": "networkx.read_graphml(path, force_multigraph=True)",
    "json": f"networkx.node_link_graph(data, {', '.join(f'{k}={v!r}' for k, v in NODE_LINK.items())})",
}


def export(
    store: Store,
    path: Path,
    form: str,
    *,
    runs: Iterable[str] | None = None,
    instances: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> str:
    """Write a store, or some of its runs (and of those some instances), to `path`; return what to do with it.

    `form` is "graphml" or "json" (one file), or "neo4j-admin" (a folder of CSV files, whole runs of an
    embedded store). The first two hold everything in memory. Raises UsageError for another format, an unknown
    run or one that is not whole, or a `path` that exists.
    """
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    if path.exists():
        raise UsageError(f"{path} exists; name a path where there is nothing yet")
    stored = {run.id: run for run in store.runs()}
    chosen = list(stored) if runs is None else list(runs)
    for name in chosen:
        if name not in stored:
            raise unknown("run", name, stored)
        if stored[name].state != "complete":
            raise UsageError(f"run {name} is not whole in {store.location}: load it again, or leave it out")
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "neo4j-admin":
        return _neo4j_admin(store, path, chosen, instances)
    graph = to_networkx(store, chosen, instances, progress)
    write = write_graphml if form == "graphml" else write_json
    with _beside(path) as partial:
        write(graph, partial)
    return f"read it with {READERS[form]}"


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a place beside `path` to write to, which is renamed to it once all is written."""
    with staging_folder(".ipgraph-export-", path.parent) as folder:
        partial = folder / path.name  # networkx compresses by the name's suffix
        yield partial
        partial.rename(path)


def _neo4j_admin(store: Store, path: Path, runs: list[str], instances: Iterable[str] | None) -> str:
    from ipgraph.graphstore.embedded.store import EmbeddedStore
    from ipgraph.graphstore.export.neo4j_admin import write_csv

    if not isinstance(store, EmbeddedStore):
        raise UsageError("files for neo4j-admin are made from an embedded store: name its path (--store)")
    if instances is not None:
        raise UsageError("files for neo4j-admin hold whole runs: leave the instances out")
    with _beside(path) as partial:
        command = write_csv(store, partial, runs)
    return f"in {path}, the server stopped: {command}"


def to_networkx(
    store: Store,
    runs: Iterable[str],
    instances: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> "nx.MultiDiGraph[str]":
    """Return runs as a networkx MultiDiGraph: nodes by id, `type` is the label or relationship.

    With `instances`, only those and their patterns; the computation graphs of the runs' models are whole.
    """
    import networkx as nx

    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    stored = {run.id: run for run in store.runs()}
    chosen = [stored[name] for name in runs]
    wanted = None if instances is None else list(instances)
    for model in dict.fromkeys(run.model for run in chosen):
        _add_computation_graph(graph, store, model)
    done = 0
    for run in chosen:
        graph.add_node(run.id, type="Run", **_without(asdict(run), "id"))
        for table in tables.TABLES:
            if table.owner != "model" and table.name not in ("Run", *tables.PATTERN_TABLES):
                _add_rows(graph, table, reading.table_rows(store, table, run.id, wanted))
        ids = reading.instances(store, run.id)
        for block in reading.patterns(store, run.id, ids if wanted is None else set(ids) & set(wanted)):
            _add_patterns(graph, block)
            done += len(block)
            if progress:
                progress(done, sum(other.patterns for other in chosen))
    return graph


def _add_computation_graph(graph: "nx.MultiDiGraph[str]", store: Store, model: str) -> None:
    for table in tables.TABLES:
        if table.owner == "model":
            text = f"{table.match} WHERE {table.of_runs} RETURN {table.items}"
            _add_rows(graph, table, reading.rows(store, text, models=[model]))


def _add_rows(graph: "nx.MultiDiGraph[str]", table: Table, rows: Iterable[Row]) -> None:
    """Add a table's rows as nodes, or as edges, which are numbered where several have the same ends."""
    for row in rows:
        if table.ends is None:
            graph.add_node(row["id"], type=table.name, **_without(row, "id"))
        else:
            source, target = (row[key] for key in table.keys)
            graph.add_edge(source, target, type=table.name, **_without(row, *table.keys))


def _add_patterns(graph: "nx.MultiDiGraph[str]", block: list[Row]) -> None:
    for row in block:
        graph.add_node(
            row["id"], type="Pattern", **{name: row[name] for name in columns(Pattern) if name != "id"}
        )
        graph.add_edge(row["run"], row["id"], type="PRODUCED")
        graph.add_edge(row["instance"], row["id"], type="HAS_PATTERN")
        steps = zip(row["nodes"], row["influences"], row["margins"], row["runner_ups"], strict=True)
        for step, (node, influence, margin, runner_up) in enumerate(steps):
            graph.add_edge(
                row["id"],
                node,
                type="THROUGH",
                step=step,
                influence=influence,
                margin=margin,
                runner_up=runner_up,
            )


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def write_json(graph: "nx.MultiDiGraph[str]", path: Path) -> None:
    """Write a graph as node-link JSON; `networkx.node_link_graph(data, **NODE_LINK)` reads it."""
    import networkx as nx

    with path.open("w", encoding="utf-8") as file:
        json.dump(nx.node_link_data(graph, **NODE_LINK), file, ensure_ascii=False)


def write_graphml(graph: "nx.MultiDiGraph[str]", path: Path) -> None:
    """Write a graph as GraphML, which has scalars only: lists become JSON text, what is null is left out."""
    import networkx as nx

    flat: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    flat.add_nodes_from((node, _scalars(facts)) for node, facts in graph.nodes(data=True))
    # An edge's key becomes its id in the file, where ids are unique.
    for key, (source, target, facts) in enumerate(graph.edges(data=True)):
        flat.add_edge(source, target, key, **_scalars(facts))
    nx.write_graphml(flat, path)


def _scalars(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
        for name, value in facts.items()
        if value is not None
    }
