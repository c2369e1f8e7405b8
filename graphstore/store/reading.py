"""What a store holds, read back through its Cypher: the same statements for both stores."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from ipgraph.graphstore.common.blocks import blocks
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.runs.content import Content, Row
from ipgraph.graphstore.schema import graph, tables
from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.graphstore.schema.records import ColumnType, Measure, Pattern, Run, columns
from ipgraph.graphstore.schema.tables import Table
from ipgraph.graphstore.store.protocol import Result, Scalar, Store, Value

BLOCK_INSTANCES = 500
"""Instances whose patterns are read at a time."""
_NO_MARGIN = -1.7e308
"""Stands for a null margin in a collected list, which cannot hold nulls."""

_PATTERNS = "MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run}) WHERE i.id IN $instances "
_STEPS = (
    "MATCH (p)-[t:THROUGH]->(n:Node) RETURN p.id AS id, collect(t.step) AS steps, collect(n.id) AS nodes, "
    "collect(t.influence) AS influences, collect(coalesce(t.margin, $absent)) AS margins, "
    "collect(coalesce(t.runner_up, -1)) AS runner_ups"
)

SET_LABEL = "MATCH (r:Run {id: $run}) SET r.label = $label"


class Reader(Protocol):
    """What reads: a store, or one that is being built."""

    def read(self, cypher: str, parameters: Mapping[str, Value] | None = None) -> Result:
        """Run a read-only query."""


def returned(variable: str, record: type) -> str:
    """Return the RETURN items of a record's columns, under their own names."""
    return ", ".join(f"{variable}.{name} AS {name}" for name in columns(record))


def rows(store: Reader, cypher: str, **parameters: Value) -> list[Row]:
    """Return a query's rows as dictionaries."""
    result = store.read(cypher, parameters)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def runs(store: Reader) -> list[Run]:
    """Return the runs in a store, newest first, half-loaded ones included."""
    found = rows(store, f"MATCH (r:Run) RETURN {returned('r', Run)}")
    stored = [Run(**_with_lists(row, columns(Run))) for row in found]
    return sorted(stored, key=lambda run: (run.created, run.id), reverse=True)


def require_run(store: Store, name: str) -> Run:
    """Return a run of a store; raises UsageError if it is not there."""
    for run in store.runs():
        if run.id == name:
            return run
    raise UsageError(f"there is no run {name!r} in {store.location}")


def shapes(stored: Iterable[Run]) -> dict[str, tuple[GraphShape, int]]:
    """Return the shape of each model's computation graph, and how many positions its runs need."""
    needed: dict[str, tuple[GraphShape, int]] = {}
    for run in stored:
        positions = max(run.positions, needed[run.model][1] if run.model in needed else 0)
        needed[run.model] = (GraphShape.from_json(run.graph), positions)
    return needed


def table_rows(store: Reader, table: Table, run: str, instances: Iterable[str] | None = None) -> list[Row]:
    """Return a run's rows of a table, in its columns (of a relationship: its ends' ids too).

    With `instances`, only the rows that belong to these.
    """
    text, chosen = f"{table.match} WHERE {table.of_runs}", dict[str, Value](runs=[run])
    if instances is not None and table.instance:
        text += f" AND {table.instance} IN $instances"
        chosen["instances"] = list(instances)
    found = rows(store, f"{text} RETURN {table.items}", **chosen)
    return [_with_lists(row, table.properties) for row in found]


def _with_lists(row: Row, kinds: Mapping[str, ColumnType]) -> Row:
    """Return a row with its empty lists: in Neo4j's offline import their property is absent."""
    empty: Row = {name: [] for name, kind in kinds.items() if kind.endswith("[]") and row[name] is None}
    return row | empty


def instances(store: Reader, run: str) -> list[str]:
    """Return the ids of a run's instances, in order."""
    text = "MATCH (:Run {id: $run})-[:PREDICTED]->(i:Instance) RETURN i.id AS id"
    return sorted(str(row["id"]) for row in rows(store, text, run=run))


def patterns(store: Reader, run: str, ids: Iterable[str]) -> Iterator[list[Row]]:
    """Yield a run's patterns of the given instances, block by block, each with its steps as lists.

    The rows are those of `content.pattern_batches`, in the order of the pattern ids.
    """
    for block in blocks(ids, BLOCK_INSTANCES):
        whole = rows(store, f"{_PATTERNS} RETURN {returned('p', Pattern)}", run=run, instances=block)
        steps = rows(store, _PATTERNS + _STEPS, run=run, instances=block, absent=_NO_MARGIN)
        by_id = {row["id"]: row for row in steps}
        yield [
            _with_steps(row, by_id.get(row["id"])) for row in sorted(whole, key=lambda row: str(row["id"]))
        ]


def _with_steps(pattern: Row, steps: Row | None) -> Row:
    if steps is None:
        return pattern | {"nodes": [], "influences": [], "margins": [], "runner_ups": []}
    order = sorted(range(len(steps["steps"])), key=steps["steps"].__getitem__)
    margins = [steps["margins"][k] for k in order]
    runner_ups = [steps["runner_ups"][k] for k in order]
    return pattern | {
        "nodes": [steps["nodes"][k] for k in order],
        "influences": [steps["influences"][k] for k in order],
        "margins": [None if margin == _NO_MARGIN else margin for margin in margins],
        "runner_ups": [None if number < 0 else number for number in runner_ups],
    }


def measures(store: Reader, run: str) -> list[Measure]:
    """Return the measures attached to a run, by id."""
    text = f"MATCH (:Run {{id: $run}})-[:MEASURED]->(m:Measure) RETURN {returned('m', Measure)}"
    return sorted((Measure(**row) for row in rows(store, text, run=run)), key=lambda measure: measure.id)


def outdated(store: Reader, run: str, due: Iterable[Measure]) -> list[Measure]:
    """Return those of a run's measures that a store lacks, or holds otherwise."""
    stored = {measure.id: measure for measure in measures(store, run)}
    return [measure for measure in due if stored.get(measure.id) != measure]


def stored_content(store: Reader, run: str) -> Content:
    """Return what a store holds of a run, to be compared with its directory's `content`."""
    whole = Content()
    for file, table in tables.files().items():
        if file == "patterns":
            for block in patterns(store, run, instances(store, run)):
                whole.add(file, block)
        elif file in whole.tables:
            whole.add(file, table_rows(store, table, run))
    return whole


def counts(store: Reader) -> dict[str, int]:
    """Return how many nodes of each label and relationships of each type a store holds."""
    return {table.name: count(store, f"{table.match} RETURN count(*) AS n") for table in tables.TABLES}


def wrong_counts(store: Reader, run: Run) -> Iterator[tuple[str, int, int]]:
    """Yield the tables of which a store holds more or fewer rows of a run than are due: what, number, due."""
    due = json.loads(run.rows)
    for table in tables.filed():
        text = f"{table.match} WHERE {table.of_runs} RETURN count(*) AS n"
        if (number := count(store, text, runs=[run.id])) != due.get(table.file, 0):
            what = table.file if table.record else f"{table.file} by {table.name}"
            yield what, number, due.get(table.file, 0)


def count(store: Reader, cypher: str, **parameters: Value) -> int:
    """Return the one number `n` of a query."""
    return int(rows(store, cypher, **parameters)[0]["n"])


def graph_notes(store: Reader) -> dict[str, Scalar]:
    """Return, for each model, how far its computation graph reaches in the store."""
    notes: dict[str, Scalar] = {}
    for model, (shape, _) in sorted(shapes(runs(store)).items()):
        last = "MATCH (n:Node {model: $model}) RETURN coalesce(max(n.position), -1) AS n"
        positions = count(store, last, model=model) + 1
        edges = "MATCH (a:Node {model: $model})-[:FLOWS_TO]->(:Node) RETURN count(*) AS n"
        partly = count(store, edges, model=model) < graph.counts(shape, positions)[1]
        beyond = f"; past {graph.FULL_POSITIONS} only the edges that some pattern takes"
        notes[f"graph of {model}"] = f"{positions} positions" + beyond * partly
    return notes


def whole_positions(store: Reader, model: str, shape: GraphShape) -> int:
    """Return how many positions, from the first on, have every edge of a model's computation graph."""
    text = (
        "MATCH (a:Node {model: $model})-[:FLOWS_TO]->(b:Node) "
        "WITH CASE WHEN a.position > b.position THEN a.position ELSE b.position END AS position "
        "RETURN position, count(*) AS n"
    )
    edges = {row["position"]: row["n"] for row in rows(store, text, model=model)}
    total = 0
    for position in range(len(edges)):
        total += edges.get(position, 0)
        if total < graph.counts(shape, position + 1)[1]:
            return position
    return len(edges)
