"""What both stores promise of reading: queries, parameters, plans, and that nothing is ever written."""

import pytest
from support.stores import counts, rows

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory


def test_reading_never_writes(location: str, run: RunDirectory) -> None:
    with open_store(location) as store:
        store.add([run])
        before = counts(store)
        for cypher in (
            "CREATE (n:Measure {id: 'x'})",
            "MATCH (p:Pattern) DETACH DELETE p",
            "MATCH (p:Pattern) SET p.sign = 0",
            "MATCH (r:Run) MERGE (m:Measure {id: 'y'}) RETURN r.id AS id",
            "RETURN 1 AS one; MATCH (p:Pattern) DETACH DELETE p",
            "DROP TABLE Pattern",
        ):
            with pytest.raises(UsageError):
                store.read(cypher)
            with pytest.raises(UsageError):
                store.explain(f"RETURN 1 AS one; {cypher}")
        assert counts(store) == before
        assert store.check([run]) == []


def test_a_query_that_cannot_be_run_is_a_usage_error(location: str, run: RunDirectory) -> None:
    with open_store(location) as store:
        store.add([run])
        for cypher in (
            "MATCH (p:Pattern RETURN p.id AS id",
            "MATCH (p:Patern) RETURN p.id AS id",
            "MATCH (p:Pattern) RETURN p.sgn AS sign",
            "MATCH (p:Pattern)-[:TROUGH]->(n:Node) RETURN n.id AS id",
            "RETURN nosuchfunction(1) AS x",
            "",
        ):
            with pytest.raises(UsageError):
                store.read(cypher)


def test_parameters_are_bound_with_their_types(location: str, run: RunDirectory) -> None:
    given = {"text": 'it\'s "so" $x é', "whole": 2**53 + 1, "real": 0.1, "yes": True, "names": ["a", "b"]}
    with open_store(location) as store:
        store.add([run])
        returned = ", ".join(f"${name} AS {name}" for name in given)
        assert rows(store, f"RETURN {returned}", **given) == [given]
        assert rows(store, "UNWIND $names AS name RETURN name, size($names) AS n", names=["b", "a"]) == [
            {"name": "b", "n": 2},
            {"name": "a", "n": 2},
        ]


def test_first_is_the_index_of_the_first_element(location: str, run: RunDirectory) -> None:
    text = (
        "MATCH (p:Pattern) RETURN p.path[$first] AS node, substring(p.route, $first, 10) AS label, "
        "p.position AS position ORDER BY p.id LIMIT 1"
    )
    pattern = min(run.records("patterns"), key=lambda row: str(row.id))
    with open_store(location) as store:
        store.add([run])
        found = rows(store, text, first=store.first)
    assert found == [{"node": pattern.path[0], "label": pattern.route[:10], "position": pattern.position}]


def test_explain_shows_a_plan_and_runs_nothing(location: str, run: RunDirectory) -> None:
    with open_store(location) as store:
        store.add([run])
        plan = store.explain("MATCH (p:Pattern {run: $run}) RETURN count(*) AS n", {"run": run.id})
    assert "Pattern" in plan
    assert len(plan.splitlines()) > 3
