"""A Neo4j database that others use too, queries that do more than read, and a server with little memory."""

import logging

import pytest
from support.servers import Login, own_server

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.server.connection import server_address
from ipgraph.graphstore.server.readonly import require_read
from ipgraph.graphstore.server.store import Neo4jStore
from ipgraph.queries.language.registry import templates

REFUSED = [
    "LOAD CSV FROM 'file:///etc/passwd' AS row RETURN row",
    "MATCH (n) load /* x */ csv FROM 'http://h/' AS row RETURN row",
    "WITH 1 AS x LOAD\u180eCSV FROM 'http://h/' AS row RETURN row",
    "WITH '\\u0027' AS x RETURN x",
    "MATCH (n) \\u004cOAD CSV FROM 'http://h/' AS row RETURN row",
    "SHOW USERS",
    "CREATE DATABASE mine",
    "/* MATCH */ DROP DATABASE neo4j",
    "ALTER USER neo4j SET PASSWORD 'x'",
    "GRANT ROLE admin TO me",
    ":use system",
    "USE system MATCH (n) RETURN n",
    "CALL { USE system MATCH (n) RETURN n } RETURN n",
    "CALL dbms.listConfig()",
    "CALL `apoc`.`load`.json('http://h/')",
    "CALL apoc . load.json('http://h/')",
    "MATCH (n) OPTIONAL CALL apoc.cypher.run('RETURN 1', {}) YIELD value RETURN value",
    "MATCH (n) RETURN n; MATCH (m) RETURN m",
    f"RETURN {'9' * 400}",
    "// nothing",
]
READING = [
    "MATCH (n) WHERE n.text = 'LOAD CSV FROM; CALL dbms.x()' RETURN n",
    "MATCH (n) // LOAD CSV\nRETURN n;",
    "MATCH (n:`USE x`) RETURN n.load, n.call",
    "CALL db.labels() YIELD label RETURN label",
    "call db.schema.visualization()",
    "MATCH (n) CALL (n) { RETURN 1 AS x } CALL { RETURN 2 AS y } RETURN x, y",
    "CALL (*) { RETURN 1 AS x } RETURN x",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_does_more_than_read_the_graph_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        require_read(text)


@pytest.mark.parametrize("text", READING)
def test_what_only_looks_like_it_is_read(text: str) -> None:
    require_read(text)


def test_every_template_only_reads() -> None:
    for template in templates().values():
        require_read(template.text("neo4j"))


@pytest.mark.parametrize(
    "uri",
    [
        "bolt://u:geheim@h:1",
        "bolt://h:1/geheim",
        "neo4j://h?token=geheim",
        "bolt://h:1#geheim",
        "bolt://h:geheim",
    ],
)
def test_nothing_of_an_address_but_its_host_is_repeated(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        server_address(uri)
    assert "geheim" not in str(caught.value)
    assert server_address("  bolt://h:1/ ") == "bolt://h:1"


@pytest.mark.xdist_group("neo4j")
@pytest.mark.parametrize("label", ["Run", "Node", "Pattern"])
def test_data_of_others_under_our_labels_is_named_and_left(
    neo4j_server: Login, run: RunDirectory, label: str
) -> None:
    with neo4j_server.driver() as driver:
        driver.execute_query(f"CREATE (:{label} {{id: 'theirs'}})")
        with (
            pytest.raises(UsageError, match=f"nodes labelled {label} that are not ipgraph's"),
            open_store(neo4j_server.uri) as store,
        ):
            store.add([run])
        assert driver.execute_query("MATCH (n) RETURN count(n) AS n").records[0]["n"] == 1


@pytest.mark.xdist_group("neo4j")
@pytest.mark.parametrize(
    ("make", "drop"),
    [
        ("CREATE CONSTRAINT theirs FOR (n:Instance) REQUIRE n.text IS UNIQUE", "DROP CONSTRAINT theirs"),
        ("CREATE CONSTRAINT measure_id FOR (n:Other) REQUIRE n.id IS UNIQUE", "DROP CONSTRAINT measure_id"),
        ("CREATE INDEX theirs FOR (n:Measure) ON (n.id)", "DROP INDEX theirs"),
    ],
)
def test_constraints_and_indexes_of_others_are_named(
    neo4j_server: Login, run: RunDirectory, make: str, drop: str
) -> None:
    with neo4j_server.driver() as driver, open_store(neo4j_server.uri) as store:
        driver.execute_query("DROP CONSTRAINT measure_id IF EXISTS")
        driver.execute_query(make)
        try:
            with pytest.raises(UsageError, match=r"not ipgraph's|another one has its name"):
                store.add([run])
            assert store.runs() == []
        finally:
            driver.execute_query(drop)
        assert store.add([run]) == 1


@pytest.mark.xdist_group("neo4j")
def test_a_server_with_a_small_transaction_limit_holds_a_whole_run(
    run: RunDirectory,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # The launcher writes the settings, this one among them: a line more is a setting more.
    monkeypatch.setenv("PAGECACHE", "128m\ndb.memory.transaction.max=2m")
    with own_server(tmp_path_factory.mktemp("small")) as server:
        for key, value in server.login.environment.items():
            monkeypatch.setenv(key, value)
        with caplog.at_level(logging.WARNING), Neo4jStore(server.login.uri) as store:
            store.add([run])
            assert "takes no" in caplog.text
            assert store.check([run]) == []
            store.remove(run.id)
            assert store.runs() == []
