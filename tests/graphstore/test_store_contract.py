"""What both stores promise: every test runs against the embedded store and against a Neo4j server."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import pyarrow.parquet as pq
import pytest
from support.fixtures import HEADS, LAYERS, MODEL, make_run
from support.remade import remade
from support.stores import changed_copy, counts, due, rows

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.graph import GraphLayer, GraphShape
from ipgraph.graphstore.schema.records import columns
from ipgraph.graphstore.schema.tables import record_of
from ipgraph.graphstore.store.reading import whole_positions

SHAPE = GraphShape.uniform(LAYERS, HEADS)


@pytest.fixture(scope="module")
def stranger(root: Path) -> RunDirectory:
    """A run of another model over other instances."""
    return make_run(root, dataset="ra-na", model="toy2-0123456789ab", layers=2)


def test_added_runs_are_listed_whole_and_counted(
    location: str, run: RunDirectory, stranger: RunDirectory
) -> None:
    seen: list[tuple[int, int]] = []
    with open_store(location) as store:
        assert store.runs() == []
        assert store.add([run, stranger], lambda done, total: seen.append((done, total))) == 2
        assert sorted(store.runs(), key=lambda held: held.id) == sorted(
            (run.run, stranger.run), key=lambda held: held.id
        )
        assert counts(store) == due(run, stranger)
        assert {name: store.info()[name] for name in due(run)} == due(run, stranger)
    total = run.run.patterns + stranger.run.patterns
    assert seen[-1] == (total, total)
    assert all(before[0] <= after[0] for before, after in pairwise(seen))


def test_adding_again_changes_nothing(location: str, run: RunDirectory, other: RunDirectory) -> None:
    with open_store(location) as store:
        assert store.add([run]) == 1
        before = counts(store)
        assert store.add([run]) == 0
        assert counts(store) == before
        assert store.add([run, other]) == 1
        assert counts(store) == due(run, other)


def test_a_run_whose_instances_have_no_labels_has_no_accuracy(
    location: str, run: RunDirectory, tmp_path: Path
) -> None:
    unlabelled = remade(run, tmp_path, predictions=lambda row: replace(row, label_is_predicted=True))
    assert unlabelled.run.accuracy is None
    with open_store(location) as store:
        store.add([unlabelled])
        assert store.runs() == [unlabelled.run]
        assert store.check([unlabelled]) == []


def test_what_is_stored_is_what_the_directory_holds(location: str, run: RunDirectory) -> None:
    with open_store(location) as store:
        store.add([run])
        for label, table in (("Instance", "instances"), ("Pattern", "patterns")):
            names = ", ".join(f"n.{name} AS {name}" for name in columns(record_of(table)))
            found = rows(store, f"MATCH (n:{label}) RETURN {names} ORDER BY n.id")
            assert found == sorted(map(asdict, run.records(table)), key=lambda row: str(row["id"]))
        names = ", ".join(f"t.{name} AS {name}" for name in ("step", "influence", "margin", "runner_up"))
        found = rows(
            store,
            f"MATCH (p:Pattern)-[t:THROUGH]->(n:Node) RETURN p.id AS pattern, {names}, n.id AS node "
            "ORDER BY p.id, t.step",
        )
        steps = sorted(run.records("steps"), key=lambda step: (step.pattern, step.step))
        assert found == [asdict(step) for step in steps]
        assert any(row["margin"] is None for row in found)
        predictions = rows(
            store,
            "MATCH (r:Run)-[e:PREDICTED]->(i:Instance) RETURN i.id AS instance, e.qoi AS qoi, "
            "e.tokens AS tokens, e.word_indices AS word_indices, e.is_correct AS is_correct ORDER BY i.id",
        )
        expected = sorted(run.records("predictions"), key=lambda row: str(row.instance))
        assert predictions == [{name: getattr(row, name) for name in predictions[0]} for row in expected]


def test_the_graph_is_the_models_computation_graph(location: str, run: RunDirectory) -> None:
    with open_store(location) as store:
        store.add([run])
        found: nx.DiGraph[str] = nx.DiGraph()
        found.add_nodes_from(row["id"] for row in rows(store, "MATCH (n:Node) RETURN n.id AS id"))
        edges = rows(store, "MATCH (a:Node)-[:FLOWS_TO]->(b:Node) RETURN a.id AS source, b.id AS target")
    found.add_edges_from((row["source"], row["target"]) for row in edges)
    expected = graph.digraph(MODEL, SHAPE, run.run.positions)
    assert len(edges) == expected.number_of_edges()
    assert nx.utils.graphs_equal(found, nx.DiGraph(expected.edges))


@pytest.mark.parametrize(
    "shape",
    [
        GraphShape((GraphLayer(HEADS, ahead=0), GraphLayer(HEADS, behind=2, ahead=0), GraphLayer(HEADS))),
        GraphShape(
            (*SHAPE.layers, GraphLayer(2, ahead=0, stack=2, reads=2), GraphLayer(2, stack=2, reads=1))
        ),
    ],
)
def test_the_graph_holds_what_the_models_positions_see(
    location: str, tmp_path: Path, shape: GraphShape
) -> None:
    seeing = make_run(tmp_path, shape=shape)
    with open_store(location) as store:
        store.add([seeing])
        assert counts(store) == due(seeing)
        text = "MATCH (a:Node)-[:FLOWS_TO]->(b:Node) RETURN a.id AS source, b.id AS target"
        edges = {(row["source"], row["target"]) for row in rows(store, text)}
        assert edges == set(graph.digraph(MODEL, shape, seeing.run.positions).edges)
        stacks = rows(store, "MATCH (n:Node) RETURN DISTINCT n.stack AS stack ORDER BY stack")
        assert [row["stack"] for row in stacks] == list(range(1, shape.stacks + 1))
        assert store.check([seeing]) == []
        assert store.info()[f"graph of {MODEL}"] == f"{seeing.run.positions} positions"


def test_far_positions_hold_only_the_edges_that_patterns_take(
    location: str, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = 5
    monkeypatch.setattr(graph, "FULL_POSITIONS", near)
    with open_store(location) as store:
        store.add([run])
        edges = rows(
            store,
            "MATCH (a:Node)-[:FLOWS_TO]->(b:Node) RETURN a.label AS source, b.label AS target, "
            "a.position AS here, b.position AS there",
        )
        assert store.check([run]) == []
    taken: set[tuple[str, str]] = set()
    for pattern in run.records("patterns"):
        if pattern.level == "attention":
            taken.update(pairwise([*pattern.route.split(), f"q{LAYERS + 1:02d}.--@----"]))
    far = {(row["source"], row["target"]) for row in edges if max(row["here"], row["there"]) >= near}
    assert len(edges) - len(far) == graph.counts(SHAPE, near)[1]
    assert far == {
        pair for pair in taken if any(label[-4:] != "----" and int(label[-4:]) >= near for label in pair)
    }


def test_a_sound_store_checks_clean(location: str, run: RunDirectory, other: RunDirectory) -> None:
    seen: list[tuple[int, int]] = []
    with open_store(location) as store:
        store.add([run, other])
        assert store.check() == []
        assert store.check([run, other], lambda done, total: seen.append((done, total))) == []
    total = run.run.patterns + other.run.patterns
    assert seen[-1] == (total, total)


def test_check_names_the_table_whose_content_differs(
    location: str, run: RunDirectory, tmp_path: Path
) -> None:
    changes: dict[str, Callable[[Any], Any]] = {
        "patterns": lambda row: replace(row, influence=row.influence + 1e-9),
        "steps": lambda row: replace(row, margin=0.5),
        "predictions": lambda row: replace(row, qoi=row.qoi + 1e-9),
        "instances": lambda row: replace(row, text=row.text + " !"),
    }
    copies = {table: changed_copy(run, tmp_path / table, table, change) for table, change in changes.items()}
    with open_store(location) as store:
        store.add([run])
        for table, copy in copies.items():
            problem = store.check([copy])[0]
            named = "patterns" if table == "steps" else table
            assert (problem.where, problem.what.partition(":")[0]) == (f"run {run.id}", named)


def test_check_names_a_directory_that_is_not_in_the_store(
    location: str, run: RunDirectory, other: RunDirectory
) -> None:
    with open_store(location) as store:
        store.add([run])
        problems = store.check([run, other])
    assert [problem.where for problem in problems] == [f"run {other.id}"]
    assert "not in the store" in problems[0].what


def test_a_removed_run_takes_with_it_only_what_it_alone_used(
    location: str, run: RunDirectory, other: RunDirectory, stranger: RunDirectory
) -> None:
    with open_store(location) as store:
        store.add([run, other, stranger])
        store.remove(other.id)
        assert counts(store) == due(run, stranger)
        store.remove(stranger.id)
        assert counts(store) == due(run)
        assert store.check([run]) == []
        assert store.add([other]) == 1
        assert counts(store) == due(run, other)


def test_a_longer_run_extends_the_graph_and_its_removal_shrinks_it(
    location: str, root: Path, run: RunDirectory
) -> None:
    short = make_run(root, dataset="short", scale=1, seed=5)
    assert short.run.positions == run.run.positions
    with open_store(location) as store:
        store.add([short_run(short, root / "cut")])
        few = counts(store)["Node"]
        assert few < due(run)["Node"]
        store.add([run])
        assert counts(store)["Node"] == due(run)["Node"]
        assert counts(store)["FLOWS_TO"] == due(run)["FLOWS_TO"]
        store.remove(run.id)
        assert counts(store)["Node"] == few
        assert store.check() == []


def short_run(run: RunDirectory, root: Path) -> RunDirectory:
    """Make a run of only those of a run's instances that are shorter than its longest."""
    longest = run.run.positions
    return remade(run, root, predictions=lambda row: row if len(row.tokens) < longest else None)


def test_removing_a_run_that_is_not_there_says_so(location: str, run: RunDirectory) -> None:
    with open_store(location) as store:
        store.add([run])
        with pytest.raises(UsageError, match="r000000000000"):
            store.remove("r000000000000")


def test_an_unfinished_run_directory_is_refused(location: str, root: Path, run: RunDirectory) -> None:
    unfinished = make_run(root, seed=9, finish=False)
    with open_store(location) as store:
        store.add([run])
        with pytest.raises(UsageError, match=unfinished.id):
            store.add([unfinished])
        assert store.runs() == [run.run]


def spoil_digest(shard: Path) -> None:
    """Write a shard's steps anew: the same rows, in a file that is not the one that was written."""
    pq.write_table(pq.read_table(shard / "steps.parquet"), shard / "steps.parquet", compression="none")


@pytest.mark.parametrize(
    ("spoil", "what"), [(spoil_digest, r"corrupt: steps\.parquet"), (shutil.rmtree, "missing")]
)
def test_a_damaged_shard_is_named_before_anything_is_written(
    location: str, run: RunDirectory, tmp_path: Path, spoil: Callable[[Path], None], what: str
) -> None:
    damaged = make_run(tmp_path, seed=1)
    spoil(damaged.path / "shards/00001")
    with open_store(location) as store:
        store.add([run])
        before = counts(store)
        for use in (store.add, store.rebuild):
            with pytest.raises(IpgraphError, match=rf"shard 1 of run {damaged.id} .* is {what}"):
                use([run, damaged])
            assert store.runs() == [run.run]
            assert counts(store) == before


def test_removing_a_run_leaves_every_edge_of_a_full_graph(
    location: str, run: RunDirectory, other: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "FULL_POSITIONS", 5)
    with open_store(location) as store:
        store.rebuild([run, other], full_graph=True)
        store.remove(other.id)
        assert counts(store) == due(run)
        assert store.check([run]) == []


def test_removing_a_run_leaves_a_graph_full_as_far_as_it_was(
    location: str, root: Path, run: RunDirectory, other: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "FULL_POSITIONS", 5)
    short = short_run(make_run(root, dataset="short", seed=5), root / "cut")
    with open_store(location) as store:
        store.add([run])
        assert whole_positions(store, MODEL, SHAPE) == 5
        store.remove(run.id)
        store.rebuild([short], full_graph=True)
        store.add([run, other])
        store.remove(other.id)
        assert whole_positions(store, MODEL, SHAPE) == short.run.positions < run.run.positions
        assert store.check([run, short]) == []
