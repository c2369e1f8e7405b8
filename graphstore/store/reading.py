"""What a store holds, read back through its Cypher: the same statements for both stores."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Protocol

from ipgraph.graphstore.runs.content import Content, Row
from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.records import (
    NODES,
    RELATIONSHIPS,
    Instance,
    Measure,
    Pattern,
    Prediction,
    Run,
    columns,
)
from ipgraph.graphstore.store.protocol import Result, Scalar, Value

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


class Reader(Protocol):
    """What reads: a store, or one that is being built."""

    def read(self, cypher: str, parameters: Mapping[str, Value] | None = None) -> Result:
        """Run a read-only query."""


def returned(variable: str, record: type, left_out: Iterable[str] = ()) -> str:
    """Return the RETURN items of a record's columns, under their own names."""
    names = [name for name in columns(record) if name not in set(left_out)]
    return ", ".join(f"{variable}.{name} AS {name}" for name in names)


def rows(store: Reader, cypher: str, **parameters: Value) -> list[Row]:
    """Return a query's rows as dictionaries."""
    result = store.read(cypher, parameters)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def runs(store: Reader) -> list[Run]:
    """Return the runs in a store, newest first, half-loaded ones included."""
    found = [Run(**row) for row in rows(store, f"MATCH (r:Run) RETURN {returned('r', Run)}")]
    return sorted(found, key=lambda run: (run.created, run.id), reverse=True)


def instances(store: Reader, run: str) -> list[Row]:
    """Return the instances of a run, in the columns of Instance, by id."""
    text = f"MATCH (:Run {{id: $run}})-[:PREDICTED]->(i:Instance) RETURN {returned('i', Instance)}"
    return sorted(rows(store, text, run=run), key=lambda row: str(row["id"]))


def predictions(store: Reader, run: str) -> list[Row]:
    """Return the predictions of a run, in the columns of Prediction, by instance."""
    ends = ("run", "instance")
    text = (
        "MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance) "
        f"RETURN r.id AS run, i.id AS instance, {returned('e', Prediction, ends)}"
    )
    return sorted(rows(store, text, run=run), key=lambda row: str(row["instance"]))


def patterns(store: Reader, run: str, ids: Iterable[str]) -> Iterator[list[Row]]:
    """Yield a run's patterns of the given instances, block by block, each with its steps as lists.

    The rows are those of `content.pattern_batches`, in the order of the pattern ids.
    """
    for block in _blocks(ids, BLOCK_INSTANCES):
        found = rows(store, f"{_PATTERNS} RETURN {returned('p', Pattern)}", run=run, instances=block)
        steps = rows(store, _PATTERNS + _STEPS, run=run, instances=block, absent=_NO_MARGIN)
        by_id = {row["id"]: row for row in steps}
        yield [
            _with_steps(row, by_id.get(row["id"])) for row in sorted(found, key=lambda row: str(row["id"]))
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
    held = {measure.id: measure for measure in measures(store, run)}
    return [measure for measure in due if held.get(measure.id) != measure]


def stored_content(store: Reader, run: str) -> Content:
    """Return what a store holds of a run, to be compared with its directory's `content`."""
    found = Content()
    held = instances(store, run)
    found.add("instances", held)
    found.add("predictions", predictions(store, run))
    for block in patterns(store, run, [row["id"] for row in held]):
        found.add("patterns", block)
    return found


def counts(store: Reader) -> dict[str, int]:
    """Return how many nodes of each label and relationships of each type a store holds."""
    found = {
        record.__name__: count(store, f"MATCH (n:{record.__name__}) RETURN count(*) AS n") for record in NODES
    }
    for kind in RELATIONSHIPS:
        ends = f"(:{kind.source.__name__})-[r:{kind.name}]->(:{kind.target.__name__})"
        found[kind.name] = count(store, f"MATCH {ends} RETURN count(*) AS n")
    return found


def count(store: Reader, cypher: str, **parameters: Value) -> int:
    """Return the one number `n` of a query."""
    return int(rows(store, cypher, **parameters)[0]["n"])


def graph_notes(store: Reader) -> dict[str, Scalar]:
    """Return, for each model, how far its computation graph reaches in the store."""
    found: dict[str, Scalar] = {}
    text = (
        "MATCH (n:Node) RETURN n.model AS model, max(n.position) + 1 AS positions, max(n.head) AS heads, "
        "max(n.layer) - 1 AS layers ORDER BY model"
    )
    for row in rows(store, text):
        edges = "MATCH (a:Node {model: $model})-[:FLOWS_TO]->(:Node) RETURN count(*) AS n"
        whole = graph.counts(row["layers"], row["heads"], row["positions"])[1]
        partly = count(store, edges, model=row["model"]) < whole
        beyond = f"; past {graph.FULL_POSITIONS} only the edges that some pattern takes"
        found[f"graph of {row['model']}"] = f"{row['positions']} positions" + beyond * partly
    return found


def whole_positions(store: Reader, model: str, layers: int, heads: int) -> int:
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
        if total < graph.counts(layers, heads, position + 1)[1]:
            return position
    return len(edges)


def _blocks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(items)
    while block := list(islice(rest, size)):
        yield block
