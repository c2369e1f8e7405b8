"""The Neo4j store where it differs from the embedded one: its schema, its values, an offline import."""

import json
import re
from pathlib import Path

import neo4j
import pytest
from support.fixtures import make_measures
from support.neo4j_clients import Stopped, batch_ends, stop_after
from support.servers import Login
from support.stores import counts, due

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.export.export import export
from ipgraph.graphstore.export.neo4j_admin import ARGUMENTS
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.server.store import Neo4jStore

pytestmark = pytest.mark.xdist_group("neo4j")


def test_loading_makes_constraints_and_index_first(neo4j_server: Login, run: RunDirectory) -> None:
    drop_schema(neo4j_server)
    with Neo4jStore(neo4j_server.uri) as store:
        lacking = [problem.what for problem in store.check()]
        assert len(lacking) == 7
        for what in ("index on Pattern(run, level)", "uniqueness constraint on Pattern.id"):
            assert f"no {what}: the next `ipgraph ingest run` makes it" in lacking
        store.add([run])
        assert store.check([run]) == []
        plan = store.explain("MATCH (p:Pattern {run: 'a', level: 'b'}) RETURN count(*) AS n")
        assert "RANGE INDEX p:Pattern(run, level)" in plan


def drop_schema(login: Login) -> None:
    with login.driver() as driver:
        for row in driver.execute_query("SHOW CONSTRAINTS YIELD name").records:
            driver.execute_query(f"DROP CONSTRAINT {row['name']}")
        for row in driver.execute_query("SHOW INDEXES YIELD name, type WHERE type = 'RANGE'").records:
            driver.execute_query(f"DROP INDEX {row['name']}")


def test_a_constraint_violation_is_one_sentence_and_loses_nothing(
    neo4j_server: Login, run: RunDirectory, small_batches: None
) -> None:
    start = batch_ends(run)[1]
    taken = list(run.records("patterns"))[start + 3].id
    with Neo4jStore(neo4j_server.uri) as store, neo4j_server.driver() as driver:
        driver.execute_query("CREATE (:Pattern {id: $id, run: '', instance: '', route: ''})", id=taken)
        with pytest.raises(IpgraphError, match=re.escape(taken)) as caught:
            store.add([run])
        assert "\n" not in str(caught.value)
        held = store.runs()[0]
        assert (held.state, held.loaded) == ("loading", start)
        driver.execute_query("MATCH (p:Pattern {id: $id}) WHERE p.run = '' DELETE p", id=taken)
        assert store.add([run]) == 1
        assert store.check([run]) == []
        assert counts(store) == due(run)


def test_a_missing_instance_or_node_stops_the_loading(
    neo4j_server: Login, run: RunDirectory, small_batches: None
) -> None:
    with Neo4jStore(neo4j_server.uri) as store, neo4j_server.driver() as driver:
        with pytest.raises(Stopped):
            store.add([run], stop_after(batch_ends(run)[0]))
        start = store.runs()[0].loaded
        node = list(run.records("patterns"))[start].path[-1]
        driver.execute_query("MATCH (n:Node {id: $id}) DETACH DELETE n", id=node)
        with pytest.raises(IpgraphError, match=f"from row {start} on"):
            store.add([run])
        assert store.runs()[0].loaded == start


def test_another_schema_version_is_refused(neo4j_server: Login, run: RunDirectory) -> None:
    with Neo4jStore(neo4j_server.uri) as store:
        store.add([run])
    with neo4j_server.driver() as driver:
        driver.execute_query("MATCH (r:Run) SET r.schema_version = 1")
    again = (
        "has schema version 1, and this ipgraph reads version 5: extract its runs again into another store"
    )
    with pytest.raises(UsageError, match=again):
        Neo4jStore(neo4j_server.uri)


def test_graph_values_become_plain_ones(neo4j_server: Login, run: RunDirectory) -> None:
    with Neo4jStore(neo4j_server.uri) as store:
        store.add([run])
        found = store.read(
            "MATCH path = (r:Run)-[e:PREDICTED]->(i:Instance) "
            "RETURN r, e, path, [i] AS nodes, date('2026-01-02') AS day LIMIT 1"
        ).rows[0]
    json.dumps(found)
    node, relationship, path, nodes, day = found
    assert isinstance(node, dict)
    assert (node["_LABEL"], node["id"]) == ("Run", run.id)
    assert isinstance(relationship, dict)
    assert relationship["_LABEL"] == "PREDICTED"
    assert path == {"_NODES": [node, nodes[0]], "_RELS": [relationship]}  # type: ignore[index]
    assert day == "2026-01-02"


def test_an_offline_import_of_an_exported_store_is_the_store(
    neo4j_server: Login, run: RunDirectory, other: RunDirectory, tmp_path: Path
) -> None:
    server = neo4j_server.ours()
    files = tmp_path / "files"
    with open_store(tmp_path / "store.db") as embedded:
        embedded.add([run, other])
        embedded.add_measures(run.id, make_measures(run))
        export(embedded, files, "neo4j-admin")
        held = counts(embedded)
    server.stop()
    command = ("database", "import", "full", "neo4j", f"@{ARGUMENTS}", "--overwrite-destination")
    server.admin(*command, folder=files)
    server.start()
    with Neo4jStore(neo4j_server.uri) as store:
        assert counts(store) == held
        assert {problem.where for problem in store.check([run, other])} == {"schema"}
        assert store.add([run, other]) == 0
        assert store.check([run, other]) == []


def test_writes_are_refused_by_the_server_not_only_by_us(neo4j_server: Login) -> None:
    """The read transaction is what refuses: the same statement passes in a write transaction."""
    with neo4j_server.driver() as driver:
        driver.execute_query("CREATE (:Measure {id: 'x'})", routing_=neo4j.RoutingControl.WRITE)
    with Neo4jStore(neo4j_server.uri) as store:
        with pytest.raises(UsageError, match="only reading"):
            store.read("MATCH (m:Measure) CREATE (:Measure {id: 'y'})")
        with pytest.raises(UsageError, match=r"CALL db\.createLabel is refused"):
            store.read("CALL db.createLabel('Anything')")
        assert counts(store)["Measure"] == 1
