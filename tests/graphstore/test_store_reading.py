"""What both stores promise of reading: queries, parameters, plans, and that nothing is ever written."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.stores import counts, rows

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
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
        "MATCH (p:Pattern) RETURN p.path[$first] AS node, substring(p.route, $first, 11) AS label, "
        "p.position AS position ORDER BY p.id LIMIT 1"
    )
    pattern = min(run.records("patterns"), key=lambda row: str(row.id))
    with open_store(location) as store:
        store.add([run])
        found = rows(store, text, first=store.first)
    assert found == [{"node": pattern.path[0], "label": pattern.route[:11], "position": pattern.position}]


def test_explain_shows_a_plan_and_runs_nothing(location: str, run: RunDirectory) -> None:
    with open_store(location) as store:
        store.add([run])
        plan = store.explain("MATCH (p:Pattern {run: $run}) RETURN count(*) AS n", {"run": run.id})
    assert "Pattern" in plan
    assert len(plan.splitlines()) > 3


def test_a_limit_cuts_the_rows_and_says_so(location: str, run: RunDirectory) -> None:
    text = "UNWIND range(1, 10) AS x RETURN x ORDER BY x"
    with open_store(location) as store:
        store.add([run])
        for limit, cut in ((0, True), (3, True), (10, False), (11, False), (None, False)):
            result = store.read(text, limit=limit)
            assert result.rows == [[x] for x in range(1, 11)][:limit]
            assert (result.columns, result.cut) == (["x"], cut)
        with pytest.raises(UsageError, match="a row limit is 0 or more, not -1"):
            store.read(text, limit=-1)


def test_a_query_that_takes_too_long_is_stopped(location: str, run: RunDirectory) -> None:
    endless = "UNWIND range(1, 1000000) AS a UNWIND range(1, 1000000) AS b RETURN sum(a * b % 7) AS x"
    with open_store(location) as store:
        store.add([run])
        begun = time.monotonic()
        with pytest.raises(IpgraphError, match=r"took longer than its timeout of 0\.5 s and was stopped"):
            store.read(endless, timeout=0.5)
        assert time.monotonic() - begun < 60
        assert store.read("MATCH (r:Run) RETURN r.id AS id", timeout=60).rows == [[run.id]]
        with pytest.raises(UsageError, match="a timeout is a positive number of seconds, not 0"):
            store.read(endless, timeout=0)


def test_several_threads_read_while_a_run_is_added(
    location: str, run: RunDirectory, other: RunDirectory
) -> None:
    text = "MATCH (p:Pattern {run: $run}) RETURN p.id AS id, p.path AS path, p.influence AS influence"
    with open_store(location) as store, open_store(location) as writer, ThreadPoolExecutor(8) as pool:
        store.add([run])
        expected = sorted([p.id, p.path, p.influence] for p in run.records("patterns"))
        reads = [pool.submit(store.read, text, {"run": run.id}) for _ in range(20)]
        writer.add([other])
        reads += [pool.submit(store.read, text, {"run": run.id}) for _ in range(20)]
        assert all(sorted(read.result().rows) == expected for read in reads)
        assert {stored.id for stored in store.runs()} == {run.id, other.id}
