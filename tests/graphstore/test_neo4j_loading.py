"""Loading into a Neo4j server and removing from it: interruptions, lost answers, several clients."""

import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.fixtures import make_measures, make_run
from support.neo4j_clients import SMALL_BATCH, Stopped, batch_ends, loader, stop_after
from support.proxies import Moment, cutting
from support.servers import Login
from support.stores import counts, due

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.export.export import export
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.server import connection as neo4j_connect
from ipgraph.graphstore.server.store import Neo4jStore
from ipgraph.queries.language.running import ask

pytestmark = pytest.mark.xdist_group("neo4j")


# Interruptions


def test_a_half_loaded_run_is_visible_and_the_next_loading_completes_it(
    neo4j_server: Login, run: RunDirectory, small_batches: None
) -> None:
    ends = batch_ends(run)
    with Neo4jStore(neo4j_server.uri) as store:
        with pytest.raises(Stopped):
            store.add([run], stop_after(ends[2]))
        held = store.runs()[0]
        assert held.state == "loading"
        assert held.loaded in ends[2:4]  # the next batch was under way
        assert counts(store)["Pattern"] == held.loaded
        half = f"is only half loaded ({held.loaded} of {held.patterns} patterns): load it again "
        assert [p.what for p in store.check([run]) if p.where == f"run {run.id}"] == [
            f"{half}(`ipgraph ingest run`), or delete it"
        ]
        with pytest.raises(UsageError, match=f"run {run.id} is not whole in bolt://.*: load it again"):
            export(store, run.path.parent / "half.json", "json")
        seen: list[int] = []
        assert store.add([run], lambda done, _: seen.append(done)) == 1
        assert sorted(set(seen)) == [end for end in ends if end > held.loaded]
        assert store.check([run]) == []
        assert counts(store) == due(run)


def test_templates_never_count_a_half_loaded_run(
    neo4j_server: Login, run: RunDirectory, other: RunDirectory, small_batches: None
) -> None:
    with Neo4jStore(neo4j_server.uri) as store:
        with pytest.raises(Stopped):
            store.add([other], stop_after(batch_ends(other)[0]))
        for name in ("newest", other.id):
            with pytest.raises(UsageError, match="no complete run"):
                ask("skip-share", store, run=name)
        store.add([run])
        rows = ask("skip-share", store)
        assert rows.parameters["run"] == run.id
        assert rows.records() == ask("skip-share", store, run=run.id).records()


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
                assert held.loaded in (0, *batch_ends(run))
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
    server = neo4j_server.ours()
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


def test_ctrl_c_ends_a_load_that_waits_for_a_server_that_is_down(
    neo4j_server: Login, root: Path, tmp_path: Path
) -> None:
    server = neo4j_server.ours()
    run = make_run(root, seed=4)
    with (tmp_path / "errors").open("w") as errors:
        client = loader(neo4j_server.uri, run, stderr=errors)
    assert client.stdout is not None
    client.stdout.readline()
    server.kill()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            client.wait(timeout=2)
        client.send_signal(signal.SIGINT)
        client.wait(timeout=neo4j_connect.RETRY_SECONDS / 2)
    finally:
        client.kill()
        server.start()
    assert "KeyboardInterrupt" in (tmp_path / "errors").read_text()
    with Neo4jStore(neo4j_server.uri) as store:
        assert store.add([run]) == 1
        assert store.check([run]) == []
        assert counts(store) == due(run)


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
            if done == batch_ends(run)[1]:
                remover.remove(run.id)

        with pytest.raises(IpgraphError, match=run.id):
            store.add([run], remove)
        assert set(counts(store).values()) == {0}
        assert store.add([run]) == 1
        assert counts(store) == due(run)


def test_a_server_that_stays_away_ends_a_loading_which_the_next_one_goes_on_with(
    neo4j_server: Login, run: RunDirectory, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = neo4j_server.ours()
    monkeypatch.setattr(neo4j_connect, "RETRY_SECONDS", 2.0)
    killed: list[int] = []

    def kill(done: int, _: int) -> None:
        if not killed:
            killed.append(done)
            server.kill()

    said = (
        f"no Neo4j server answers at .*; what is loaded of run {run.id} stays, and the same command goes on"
    )
    try:
        with Neo4jStore(neo4j_server.uri) as store, pytest.raises(IpgraphError, match=said):
            store.add([run], kill)
    finally:
        server.start()
    with Neo4jStore(neo4j_server.uri) as store:
        assert killed[0] <= store.runs()[0].loaded < run.run.patterns
        assert store.add([run]) == 1
        assert store.check([run]) == []
