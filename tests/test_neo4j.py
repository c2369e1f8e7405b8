"""The Neo4j store where it differs from the embedded one: logging in, failing servers, several clients."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import neo4j
import pytest
from fixtures import make_measures, make_run
from proxies import Moment, cutting
from requirements import missing
from servers import Login
from test_store_contract import counts, due

from ipgraph import queries
from ipgraph.graphstore import neo4j_connect, neo4j_load, neo4j_remove
from ipgraph.graphstore.errors import IpgraphError, UsageError
from ipgraph.graphstore.export import export
from ipgraph.graphstore.export_csv import ARGUMENTS
from ipgraph.graphstore.neo4j import Neo4jStore
from ipgraph.graphstore.neo4j_connect import require_version
from ipgraph.graphstore.runs import RunDirectory
from ipgraph.graphstore.store import open_store

pytestmark = pytest.mark.xdist_group("neo4j")

SMALL_BATCH = 40

LOADER = f"""
import logging, sys
from ipgraph.graphstore import neo4j_load
from ipgraph.graphstore.errors import IpgraphError
from ipgraph.graphstore.runs import RunDirectory
from ipgraph.graphstore.store import open_store
logging.basicConfig(level=logging.DEBUG)
neo4j_load.BATCH_PATTERNS = {SMALL_BATCH}
try:
    with open_store(sys.argv[1]) as store:
        store.add(map(RunDirectory.open, sys.argv[2:]), lambda done, total: print(done, flush=True))
        print(vars(store), store.info(), store.runs())
except IpgraphError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neo4j_load, "BATCH_PATTERNS", SMALL_BATCH)
    monkeypatch.setattr(neo4j_remove, "BATCH_PATTERNS", SMALL_BATCH)


class Stopped(Exception):  # noqa: N818
    """What a test stops a loading or a removal with."""


def stop_after(done: int) -> Callable[[int, int], None]:
    def progress(now: int, total: int) -> None:
        if now >= done:
            raise Stopped

    return progress


def loader(uri: str, *runs: RunDirectory, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", LOADER, uri, *(str(run.path) for run in runs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


# Logging in


def test_a_wrong_password_is_one_sentence(neo4j_server: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEO4J_PASSWORD", "not-the-password")
    with pytest.raises(UsageError, match="user name or password") as caught:
        Neo4jStore(neo4j_server.uri)
    assert "not-the-password" not in str(caught.value)


def test_without_password_or_terminal_the_variable_is_named(
    neo4j_server: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEO4J_PASSWORD")
    with pytest.raises(UsageError, match="NEO4J_PASSWORD"):
        Neo4jStore(neo4j_server.uri)


def test_a_terminal_is_asked_for_the_password_and_does_not_show_it(neo4j_server: Login) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "NEO4J_PASSWORD"}
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-c", LOADER, neo4j_server.uri], environment)  # noqa: S606
    shown = b""
    while b"Password of Neo4j user" not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, neo4j_server.password.encode() + b"\n")
    shown += b"".join(_until_closed(terminal))
    assert os.waitpid(child, 0)[1] == 0, shown
    assert neo4j_server.password.encode() not in shown


def _until_closed(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(terminal, 1024)
        except OSError:  # the other end is closed
            return
        if not data:
            return
        yield data


def test_a_password_in_the_uri_is_refused_and_not_repeated(neo4j_server: Login) -> None:
    host = urlsplit(neo4j_server.uri).netloc
    with pytest.raises(UsageError, match="NEO4J_PASSWORD") as caught:
        Neo4jStore(f"bolt://neo4j:{neo4j_server.password}@{host}")
    assert neo4j_server.password not in str(caught.value)


def test_a_wrong_database_is_named(neo4j_server: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("bolt", "neo4j"):
        monkeypatch.setenv("NEO4J_DATABASE", "nosuchdatabase")
        with pytest.raises(UsageError, match=r"'nosuchdatabase'.*NEO4J_DATABASE"):
            Neo4jStore(re.sub("^[^:]*", scheme, neo4j_server.uri))


def test_a_named_database_and_a_routed_connection_work(
    neo4j_server: Login, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Neo4jStore(neo4j_server.uri) as store:
        name = str(store.read("CALL db.info() YIELD name RETURN name").rows[0][0])
    monkeypatch.setenv("NEO4J_DATABASE", name)
    with Neo4jStore(re.sub("^[^:]*", "neo4j", neo4j_server.uri)) as store:
        store.add([run])
        assert store.runs() == [run.run]
        assert store.info()["database"] == name


@pytest.mark.parametrize("scheme", ["bolt", "neo4j", "bolt+ssc"])
def test_a_server_that_is_down_is_one_sentence(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("NEO4J_PASSWORD", "whatever")
    with pytest.raises(IpgraphError, match=r"no Neo4j server answers at .*:1: ") as caught:
        Neo4jStore(f"{scheme}://127.0.0.1:1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["4.4.30", "5.25.1", "3.5.0", "unknown"])
def test_an_old_server_is_refused_by_version_and_edition(version: str) -> None:
    with pytest.raises(IpgraphError, match=rf"Neo4j {version} \(enterprise\).*5\.26 or newer"):
        require_version("bolt://host", version, "enterprise")


@pytest.mark.parametrize("version", ["5.26.0", "5.26.30", "5.27-aura", "2025.01.0", "2026.10.1"])
def test_a_newer_server_will_do(version: str) -> None:
    require_version("bolt://host", version, "community")


def test_the_password_is_nowhere_in_output_logs_or_run_directory(
    neo4j_server: Login, run: RunDirectory
) -> None:
    done = loader(neo4j_server.uri, run, stderr=subprocess.STDOUT)
    output = done.communicate()[0]
    assert done.returncode == 0, output
    assert "DEBUG:neo4j" in output
    assert neo4j_server.password not in output
    for file in run.path.rglob("*"):
        assert file.is_dir() or neo4j_server.password.encode() not in file.read_bytes()


# What the server itself upholds


def test_loading_makes_constraints_and_index_first(neo4j_server: Login, run: RunDirectory) -> None:
    drop_schema(neo4j_server)
    with Neo4jStore(neo4j_server.uri) as store:
        lacking = [problem.what for problem in store.check()]
        assert len(lacking) == 6
        assert "no index on Pattern(run, level)" in lacking
        assert "no uniqueness constraint on Pattern.id" in lacking
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
    taken = list(run.records("patterns"))[SMALL_BATCH * 2 + 3].id
    with Neo4jStore(neo4j_server.uri) as store, neo4j_server.driver() as driver:
        driver.execute_query("CREATE (:Pattern {id: $id})", id=taken)
        with pytest.raises(IpgraphError, match=re.escape(taken)) as caught:
            store.add([run])
        assert "\n" not in str(caught.value)
        held = store.runs()[0]
        assert (held.state, held.loaded) == ("loading", SMALL_BATCH * 2)
        driver.execute_query("MATCH (p:Pattern {id: $id}) WHERE p.run IS NULL DELETE p", id=taken)
        assert store.add([run]) == 1
        assert store.check([run]) == []
        assert counts(store) == due(run)


def test_a_missing_instance_or_node_stops_the_loading(
    neo4j_server: Login, run: RunDirectory, small_batches: None
) -> None:
    node = list(run.records("patterns"))[SMALL_BATCH].path[-1]
    with Neo4jStore(neo4j_server.uri) as store, neo4j_server.driver() as driver:
        with pytest.raises(Stopped):
            store.add([run], stop_after(SMALL_BATCH))
        driver.execute_query("MATCH (n:Node {id: $id}) DETACH DELETE n", id=node)
        with pytest.raises(IpgraphError, match=f"from row {SMALL_BATCH} on"):
            store.add([run])
        assert store.runs()[0].loaded == SMALL_BATCH


def test_another_schema_version_is_refused(neo4j_server: Login, run: RunDirectory) -> None:
    with Neo4jStore(neo4j_server.uri) as store:
        store.add([run])
    with neo4j_server.driver() as driver:
        driver.execute_query("MATCH (r:Run) SET r.schema_version = 99")
    with pytest.raises(UsageError, match="schema version 99"):
        Neo4jStore(neo4j_server.uri)


def test_graph_values_become_plain_ones(neo4j_server: Login, run: RunDirectory) -> None:
    with Neo4jStore(neo4j_server.uri) as store:
        store.add([run])
        found = store.read(
            "MATCH path = (r:Run)-[e:EVALUATED]->(i:Instance) "
            "RETURN r, e, path, [i] AS nodes, date('2026-01-02') AS day LIMIT 1"
        ).rows[0]
    json.dumps(found)
    node, relationship, path, nodes, day = found
    assert isinstance(node, dict)
    assert (node["_LABEL"], node["id"]) == ("Run", run.id)
    assert isinstance(relationship, dict)
    assert relationship["_LABEL"] == "EVALUATED"
    assert path == {"_NODES": [node, nodes[0]], "_RELS": [relationship]}  # type: ignore[index]
    assert day == "2026-01-02"


# Interruptions


def test_a_half_loaded_run_is_visible_and_the_next_loading_completes_it(
    neo4j_server: Login, run: RunDirectory, small_batches: None
) -> None:
    with Neo4jStore(neo4j_server.uri) as store:
        with pytest.raises(Stopped):
            store.add([run], stop_after(3 * SMALL_BATCH))
        held = store.runs()[0]
        assert (held.state, held.loaded) == ("loading", 3 * SMALL_BATCH)
        assert counts(store)["Pattern"] == 3 * SMALL_BATCH
        assert any("half loaded" in problem.what for problem in store.check([run]))
        seen: list[int] = []
        assert store.add([run], lambda done, _: seen.append(done)) == 1
        assert min(seen) > 3 * SMALL_BATCH
        assert store.check([run]) == []
        assert counts(store) == due(run)


def test_templates_never_count_a_half_loaded_run(
    neo4j_server: Login, run: RunDirectory, other: RunDirectory, small_batches: None
) -> None:
    with Neo4jStore(neo4j_server.uri) as store:
        with pytest.raises(Stopped):
            store.add([other], stop_after(SMALL_BATCH))
        for name in ("newest", other.id):
            with pytest.raises(UsageError, match="no complete run"):
                queries.run("skip-share", store, run=name)
        store.add([run])
        rows = queries.run("skip-share", store)
        assert rows.parameters["run"] == run.id
        assert rows.records() == queries.run("skip-share", store, run=run.id).records()


@pytest.mark.parametrize("finish", ["remove", "add"])
def test_a_half_removed_run_is_visible_and_can_be_removed_or_loaded_again(
    neo4j_server: Login, run: RunDirectory, small_batches: None, finish: str
) -> None:
    with Neo4jStore(neo4j_server.uri) as store:
        store.add([run])
        with pytest.raises(Stopped):
            store.remove(run.id, stop_after(3 * SMALL_BATCH))
        assert store.runs()[0].state == "removing"
        assert store.check() != []
        if finish == "remove":
            store.remove(run.id)
            assert set(counts(store).values()) == {0}
        else:
            assert store.add([run]) == 1
            assert counts(store) == due(run)
            assert store.check([run]) == []


def test_a_killed_client_leaves_whole_batches_and_the_next_one_finishes(
    neo4j_server: Login, root: Path
) -> None:
    run = make_run(root, seed=3)
    run.write_measures(make_measures(run))
    for lines in (0, 1, 4):
        client = loader(neo4j_server.uri, run, stderr=subprocess.DEVNULL)
        assert client.stdout is not None
        for _ in range(lines):
            client.stdout.readline()
        client.kill()
        client.wait()
        with Neo4jStore(neo4j_server.uri) as store:
            for held in store.runs():
                assert held.state == "loading"
                assert held.loaded % SMALL_BATCH == 0
                assert counts(store)["Pattern"] == held.loaded
    with Neo4jStore(neo4j_server.uri) as store:
        assert store.add([run]) == 1
        assert store.check([run]) == []
        assert counts(store) == due(run)


def test_a_commit_whose_answer_is_lost_is_neither_lost_nor_doubled(
    neo4j_server: Login, run: RunDirectory, small_batches: None
) -> None:
    cuts: dict[int, Moment] = {number: "after" if number % 2 else "before" for number in range(3, 60, 7)}
    with (
        cutting(urlsplit(neo4j_server.uri).port or 7687, cuts) as proxy,
        Neo4jStore(f"bolt://127.0.0.1:{proxy.port}") as store,
    ):
        assert store.add([run]) == 1
        assert store.check([run]) == []
        assert counts(store) == due(run)
    assert {"before", "after"} == set(proxy.made)


def test_a_server_killed_in_the_middle_of_a_load_and_restarted_ends_with_the_same_graph(
    neo4j_server: Login, run: RunDirectory, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = neo4j_server.server
    if server is None:
        missing("neo4j", "only a server of the tests' own is killed: set IPGRAPH_NEO4J_LAUNCHER alone")
    monkeypatch.setattr(neo4j_connect, "RETRY_SECONDS", 300.0)
    restarts: list[threading.Thread] = []

    def kill_and_restart(done: int, total: int) -> None:
        if not restarts and done >= 2 * SMALL_BATCH:
            server.kill()
            restarts.append(threading.Thread(target=server.start))
            restarts[0].start()

    with Neo4jStore(neo4j_server.uri) as store:
        try:
            assert store.add([run], kill_and_restart) == 1
        finally:
            restarts[0].join()
        assert store.check([run]) == []
        assert counts(store) == due(run)


def test_an_offline_import_of_an_exported_store_is_the_store(
    neo4j_server: Login, run: RunDirectory, other: RunDirectory, tmp_path: Path
) -> None:
    server = neo4j_server.server
    if server is None:
        missing("neo4j", "only a server of the tests' own is stopped: set IPGRAPH_NEO4J_LAUNCHER alone")
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


# Several clients


def test_clients_that_load_the_same_runs_at_once_load_them_once(
    neo4j_server: Login, run: RunDirectory, other: RunDirectory, small_batches: None
) -> None:
    start = threading.Barrier(3)

    def add(*runs: RunDirectory) -> int:
        with Neo4jStore(neo4j_server.uri) as store:
            start.wait()
            return store.add(runs)

    with ThreadPoolExecutor(3) as pool:
        orders = [(run, other), (other, run), (run, other)]
        new = [future.result() for future in [pool.submit(add, *order) for order in orders]]
    assert sum(new) >= 2
    with Neo4jStore(neo4j_server.uri) as store:
        assert store.check([run, other]) == []
        assert counts(store) == due(run, other)


def test_a_run_is_read_while_another_is_loaded(
    neo4j_server: Login, run: RunDirectory, other: RunDirectory, small_batches: None
) -> None:
    text = "MATCH (p:Pattern {run: $run, level: 'attention'}) RETURN count(*) AS n"
    with Neo4jStore(neo4j_server.uri) as store, Neo4jStore(neo4j_server.uri) as reader:
        store.add([run])
        before = reader.read(text, {"run": run.id}).rows
        during: list[object] = []
        store.add([other], lambda *_: during.append(reader.read(text, {"run": run.id}).rows))
        assert len(during) > 3
        assert all(rows == before for rows in during)


def test_a_removal_by_another_client_is_noticed(
    neo4j_server: Login, run: RunDirectory, small_batches: None
) -> None:
    with Neo4jStore(neo4j_server.uri) as store, Neo4jStore(neo4j_server.uri) as remover:

        def remove(done: int, total: int) -> None:
            if done == 2 * SMALL_BATCH:
                remover.remove(run.id)

        with pytest.raises(IpgraphError, match=run.id):
            store.add([run], remove)
        assert set(counts(store).values()) == {0}
        assert store.add([run]) == 1
        assert counts(store) == due(run)


def test_writes_are_refused_by_the_server_not_only_by_us(neo4j_server: Login) -> None:
    """The read transaction is what refuses: the same statement passes in a write transaction."""
    with neo4j_server.driver() as driver:
        driver.execute_query("CREATE (:Measure {id: 'x'})", routing_=neo4j.RoutingControl.WRITE)
    with Neo4jStore(neo4j_server.uri) as store:
        with pytest.raises(UsageError, match="only reading"):
            store.read("CREATE (:Measure {id: 'y'})")
        with pytest.raises(UsageError, match="only reading"):
            store.read("CALL db.createLabel('Anything')")
        assert counts(store)["Measure"] == 1
