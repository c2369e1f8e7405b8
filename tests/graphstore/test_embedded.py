"""What only the embedded store promises: one file, changed by replacing it, and never by a query."""

import shutil
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import ladybug
import pytest
from support.fixtures import MEMORY, file_size_limit, make_measures, make_run
from support.shards import read_shard
from support.stores import spoil_version

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.embedded import source as ladybug_source
from ipgraph.graphstore.embedded.load import _Loading
from ipgraph.graphstore.embedded.store import EmbeddedStore
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.graphstore.schema.records import SCHEMA_VERSION


def test_a_store_is_one_file_at_any_path(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s [1] * "quoted" é' / "new"
    run = make_run(folder / "runs")
    with EmbeddedStore(folder / "my store.db") as store:
        assert store.runs() == []
        store.add([run])
        assert store.check([run]) == []
    assert {file.name for file in folder.iterdir()} == {"runs", "my store.db", "my store.db.writing"}


def test_where_there_is_no_store_the_message_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no store at"):
        EmbeddedStore(tmp_path / "none.db").info()
    with pytest.raises(UsageError, match="is a folder"):
        EmbeddedStore(tmp_path).read("RETURN 1 AS x")


@pytest.mark.parametrize("content", [b"", b"hello", b"hello" * 5000])
def test_a_file_that_is_no_store_is_refused_and_kept(
    tmp_path: Path, content: bytes, run: RunDirectory
) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    store = EmbeddedStore(path)
    for use in (store.info, store.runs, lambda: store.add([run]), lambda: store.remove(run.id)):
        with pytest.raises(UsageError, match=str(path)):
            use()
    assert path.read_bytes() == content


def test_another_database_is_refused(tmp_path: Path, run: RunDirectory) -> None:
    path = tmp_path / "other.db"
    with ladybug.Database(path, **MEMORY) as database:
        ladybug.Connection(database).execute("CREATE NODE TABLE Person(id STRING, PRIMARY KEY(id))")
    for use in (EmbeddedStore(path).info, lambda: EmbeddedStore(path).add([run])):
        with pytest.raises(UsageError, match="not a store of ipgraph"):
            use()


VERSION_1 = (
    r"store.db has schema version 1, and this ipgraph reads version 5: "
    r"extract its runs again into another store \(`ipgraph ingest dataset ...`\)$"
)


def test_a_store_of_another_schema_version_is_refused(path: Path, root: Path) -> None:
    spoil_version(path)
    before = path.read_bytes()
    for use in (EmbeddedStore(path).info, lambda: EmbeddedStore(path).add([make_run(root, seed=1)])):
        with pytest.raises(UsageError, match=VERSION_1):
            use()
    assert path.read_bytes() == before


@pytest.mark.parametrize("rows", [2000, 10**6])
def test_a_run_whose_directory_was_removed_stays(
    path: Path, run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(ladybug_source, "ROWS_A_COPY", rows)
    gone, other = make_run(tmp_path, seed=1), make_run(tmp_path, seed=2, dataset="ra-na")
    measures = make_measures(gone)
    with EmbeddedStore(path) as store:
        store.add([gone, other])
        store.add_measures(gone.id, measures)
        store.add_measures(run.id, make_measures(run))
        shutil.copytree(gone.path, tmp_path / "kept" / gone.id)
        gone.delete()
        assert store.rebuild([run, other]) == [gone.run]
        kept = RunDirectory.open(tmp_path / "kept" / gone.id)
        kept.write_measures(measures)
        assert store.check([run, other, kept]) == []
        assert store.info()["Measure"] == store.info()["MEASURED"] == 6
        store.remove(other.id)
        assert store.check([run, kept]) == []
        assert store.info()["Instance"] == 24


def test_rebuild_can_write_every_edge(path: Path, run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "FULL_POSITIONS", 5)
    with EmbeddedStore(path) as store:
        store.rebuild([run])
        note = "graph of toy-0123456789ab"
        assert store.info()[note] == "11 positions; past 5 only the edges that some pattern takes"
        store.rebuild([run], full_graph=True)
        assert store.info()["FLOWS_TO"] == graph.counts(GraphShape.uniform(3, 4), 11)[1]
        assert store.info()[note] == "11 positions"


def test_far_edges_of_a_second_run_join_those_of_the_first(
    tmp_path: Path, root: Path, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "FULL_POSITIONS", 5)
    runs = [run, make_run(root, seed=1)]
    taken = {
        pair
        for each in runs
        for pattern in each.records("patterns")
        if pattern.level == "attention"
        for pair in pairwise([*pattern.path, "toy-0123456789ab/q04.--@----"])
        if max(int(node[-3:]) if node[-1] != "-" else -1 for node in pair) >= 5
    }
    with EmbeddedStore(tmp_path / "store.db") as store:
        for each in runs:
            store.add([each])
        found = store.read(
            "MATCH (a:Node)-[:FLOWS_TO]->(b:Node) WHERE a.position >= 5 OR b.position >= 5 RETURN a.id, b.id"
        )
    assert sorted(map(tuple, found.rows)) == sorted(taken)


def test_many_shards_are_copied_in_parts(
    tmp_path: Path, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladybug_source, "ROWS_A_COPY", 2200)
    first = sum(table.num_rows for table in islice(run.tables("patterns"), 2))
    seen: list[tuple[int, int]] = []
    with EmbeddedStore(tmp_path / "store.db") as store:
        store.add([run], lambda done, total: seen.append((done, total)))
        assert store.check([run]) == []
    assert seen == [(first, 456), (456, 456)]


@pytest.mark.parametrize("room", [-1000, 1000])
def test_a_full_disk_leaves_the_store(path: Path, root: Path, room: int) -> None:
    """Full before the store's copy is made, and when the copy begins to grow."""
    before = path.read_bytes()
    with (
        EmbeddedStore(path) as store,
        file_size_limit(len(before) + room),
        pytest.raises(IpgraphError, match=r"could not be changed .* it is as it was"),
    ):
        store.add([make_run(root, seed=3)])
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == {"store.db", "store.db.writing"}


def test_rows_that_get_lost_are_noticed(path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    copy = _Loading.copy_files

    def lossy(loading: _Loading, name: str, *rest: Any) -> int:
        return 0 if name == "PRODUCED" else copy(loading, name, *rest)

    monkeypatch.setattr(_Loading, "copy_files", lossy)
    with EmbeddedStore(path) as store, pytest.raises(IpgraphError, match="PRODUCED: 456 rows after loading"):
        store.add([make_run(root, seed=3)])
    assert path.read_bytes() == before


def test_columns_in_another_order_are_refused(tmp_path: Path, run: RunDirectory) -> None:
    """COPY goes by position, so a table whose columns are swapped would be filled wrongly in silence."""
    path = tmp_path / "store.db"
    with ladybug.Database(path, **MEMORY) as database:
        for cypher in (
            "CREATE NODE TABLE Run(model STRING, id STRING, PRIMARY KEY(id))",
            f"COMMENT ON TABLE Run IS 'ipgraph schema version {SCHEMA_VERSION}'",
        ):
            ladybug.Connection(database).execute(cypher)
    with EmbeddedStore(path) as store, pytest.raises((IpgraphError, UsageError)):
        store.add([run])


def test_a_reader_sees_what_another_store_object_adds(path: Path, root: Path) -> None:
    new = make_run(root, seed=1)
    with EmbeddedStore(path) as reader, EmbeddedStore(path) as writer:
        text = "MATCH (p:Pattern) RETURN count(*) AS n"
        assert reader.read(text).rows == [[456]]
        writer.add([new])
        assert reader.read(text).rows == [[912]]


def test_what_a_killed_build_left_is_cleared(path: Path, root: Path) -> None:
    stale = path.parent / ".store.db.abc.building"
    stale.mkdir()
    for name in ("store", "store.wal", "store.wal.checkpoint", "store.shadow", "store.lock"):
        (stale / name).write_text("left")
    with EmbeddedStore(path) as store:
        store.add([make_run(root, seed=1)])
    assert not stale.exists()


def test_measures_of_another_run_are_refused(path: Path, run: RunDirectory) -> None:
    measure = replace(make_measures(run)[0], runs=["r0"])
    with EmbeddedStore(path) as store, pytest.raises(IpgraphError, match=f"does not belong to run {run.id}"):
        store.add_measures(run.id, [measure])
    with pytest.raises(IpgraphError, match=f"does not belong to run {run.id}"):
        run.write_measures([measure])


def test_instances_shared_between_runs_are_stored_once(path: Path, root: Path, run: RunDirectory) -> None:
    larger = make_run(root, scale=2)
    with EmbeddedStore(path) as store:
        store.add([larger])
        shared = {row.id for row in run.records("instances")} & {
            row.id for row in larger.records("instances")
        }
        assert len(shared) == 24
        assert store.info()["Instance"] == 48
        assert store.info()["PREDICTED"] == 72


def test_words_of_any_kind_come_back(tmp_path: Path, run: RunDirectory) -> None:
    """What CSV, Cypher or Parquet could trip over is stored as it is."""
    strange = make_run(tmp_path / "runs", seed=11)
    shard = read_shard(strange, 0)
    words = ['"', "'", "\\", ";", "|", ",", "é", "日本", "😀", "", " ", "NaN", "null", "[x]", "{y}"]
    patterns = [replace(p, word=words[k % len(words)]) for k, p in enumerate(shard.patterns)]
    tokens = [replace(e, tokens=[*words[: len(e.tokens)]]) for e in shard.predictions]
    shutil.rmtree(strange.path / "shards/00000")
    strange.write_shard(0, replace(shard, patterns=patterns, predictions=tokens))
    strange.finish()
    with EmbeddedStore(tmp_path / "store.db") as store:
        store.add([strange])
        assert store.check([strange]) == []
        found = store.read("MATCH (p:Pattern {word: $word}) RETURN count(*) AS n", {"word": "😀"}).rows
        assert found[0][0] == sum(pattern.word == "😀" for pattern in strange.records("patterns"))
