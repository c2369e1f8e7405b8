"""Loading contributions into a Neo4j server: interruptions, kills, several clients, what is missing."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.attributed import make_attributed
from support.neo4j_clients import Stopped
from support.servers import Login
from support.stores import counts, due

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.server import edges
from ipgraph.graphstore.server.store import Neo4jStore

pytestmark = pytest.mark.xdist_group("neo4j")

BATCH = 30
LOADER = f"""
import sys
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.server import edges
edges.BATCH_EDGES = {BATCH}
load = edges._load_batch
def told(*arguments):
    print("batch", flush=True)
    load(*arguments)
edges._load_batch = told
with open_store(sys.argv[1]) as store:
    store.add([RunDirectory.open(sys.argv[2])])
"""


@pytest.fixture(scope="module")
def hta(root: Path) -> RunDirectory:
    return make_attributed(root)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges, "BATCH_EDGES", BATCH)


def test_an_interrupted_loading_goes_on_where_it_stopped(
    neo4j_server: Login, hta: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[int] = []
    load = edges._load_batch

    def stopping(connection: Any, table: Any, run: str, start: int, rows: Any) -> None:
        starts.append(start)
        if len(starts) == 4:
            raise Stopped
        load(connection, table, run, start, rows)

    monkeypatch.setattr(edges, "_load_batch", stopping)
    with Neo4jStore(neo4j_server.uri) as store:
        with pytest.raises(Stopped):
            store.add([hta])
        assert store.runs()[0].state == "loading"
        assert counts(store)["CONTRIBUTES"] == 3 * BATCH
        assert store.add([hta]) == 1
        assert starts[:5] == [0, BATCH, 2 * BATCH, 3 * BATCH, 3 * BATCH]
        assert counts(store) == due(hta)
        assert store.check([hta]) == []


def test_a_killed_client_leaves_whole_batches_and_the_next_one_finishes(
    neo4j_server: Login, hta: RunDirectory
) -> None:
    for lines in (1, 3, 6):
        command = [sys.executable, "-c", LOADER, neo4j_server.uri, str(hta.path)]
        client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert client.stdout is not None
        for _ in range(lines):
            client.stdout.readline()
        client.kill()
        client.wait()
        with Neo4jStore(neo4j_server.uri) as store:
            assert store.runs()[0].state == "loading"
            assert counts(store)["CONTRIBUTES"] % BATCH == 0
    with Neo4jStore(neo4j_server.uri) as store:
        assert store.add([hta]) == 1
        assert store.check([hta]) == []
        assert counts(store) == due(hta)


def test_clients_that_load_the_same_run_at_once_load_it_once(neo4j_server: Login, hta: RunDirectory) -> None:
    def add(_: int) -> None:
        with Neo4jStore(neo4j_server.uri) as store:
            store.add([hta])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, range(3)))
    with Neo4jStore(neo4j_server.uri) as store:
        assert counts(store) == due(hta)
        assert store.check([hta]) == []


def test_a_missing_node_stops_the_loading(
    neo4j_server: Login, hta: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = edges.load_edges

    def without_a_node(*arguments: Any) -> None:
        with neo4j_server.driver() as driver:
            driver.execute_query("MATCH (n:Node {layer: 2, position: 0, kind: 'embedding'}) DETACH DELETE n")
        load(*arguments)

    monkeypatch.setattr("ipgraph.graphstore.server.load.load_edges", without_a_node)
    with Neo4jStore(neo4j_server.uri) as store:
        with pytest.raises(IpgraphError, match=r"contributions from row \d+ on have a node"):
            store.add([hta])
        assert store.runs()[0].state == "loading"
