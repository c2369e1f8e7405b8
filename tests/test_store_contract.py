"""What both stores promise: every test runs against the embedded store and against a Neo4j server."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from fixtures import HEADS, LAYERS, MODEL, make_measures, make_run

from ipgraph.graphstore import graph
from ipgraph.graphstore.errors import UsageError
from ipgraph.graphstore.runs import RunDirectory, Shard
from ipgraph.graphstore.schema import SHARD_TABLES, columns
from ipgraph.graphstore.store import Store, open_store

Open = Callable[[], Store]


@pytest.fixture(params=["embedded", pytest.param("neo4j", marks=pytest.mark.xdist_group("neo4j"))])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is, of either kind."""
    if request.param == "neo4j":
        return str(request.getfixturevalue("neo4j_server").uri)
    return str(tmp_path / "store.db")


@pytest.fixture(scope="module")
def stranger(root: Path) -> RunDirectory:
    """A run of another model over other instances."""
    return make_run(root, dataset="ra-na", model="toy2-0123456789ab", layers=2)


def rows(store: Store, cypher: str, **parameters: Any) -> list[dict[str, Any]]:
    result = store.read(cypher, parameters)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def count(store: Store, pattern: str) -> int:
    return int(rows(store, f"MATCH {pattern} RETURN count(*) AS found")[0]["found"])


def counts(store: Store) -> dict[str, int]:
    patterns = {
        "Run": "(:Run)",
        "Instance": "(:Instance)",
        "Pattern": "(:Pattern)",
        "Node": "(:Node)",
        "Measure": "(:Measure)",
        "EVALUATED": "(:Run)-[:EVALUATED]->(:Instance)",
        "PRODUCED": "(:Run)-[:PRODUCED]->(:Pattern)",
        "HAS_PATTERN": "(:Instance)-[:HAS_PATTERN]->(:Pattern)",
        "THROUGH": "(:Pattern)-[:THROUGH]->(:Node)",
        "FLOWS_TO": "(:Node)-[:FLOWS_TO]->(:Node)",
        "MEASURED": "(:Run)-[:MEASURED]->(:Measure)",
    }
    return {name: count(store, pattern) for name, pattern in patterns.items()}


def due(*runs: RunDirectory) -> dict[str, int]:
    """Count from the run directories what a store that holds exactly these must hold."""
    patterns = [pattern for run in runs for pattern in run.records("patterns")]
    steps = sum(len(list(run.records("steps"))) for run in runs)
    evaluations = sum(len(list(run.records("evaluations"))) for run in runs)
    sizes: dict[str, tuple[int, int, int]] = {}
    for record in (run.run for run in runs):
        reach = max(record.positions, sizes.get(record.model, (0, 0, 0))[2])
        sizes[record.model] = (record.layers, record.heads, reach)
    graphs = [graph.digraph(model, *size) for model, size in sizes.items()]
    measures = sum(len(run.measures()) for run in runs)
    return {
        "Run": len(runs),
        "Instance": len({instance.id for run in runs for instance in run.records("instances")}),
        "Pattern": len({pattern.id for pattern in patterns}),
        "Node": sum(one.number_of_nodes() for one in graphs),
        "Measure": measures,
        "EVALUATED": evaluations,
        "PRODUCED": len(patterns),
        "HAS_PATTERN": len(patterns),
        "THROUGH": steps,
        "FLOWS_TO": sum(one.number_of_edges() for one in graphs),
        "MEASURED": measures,
    }


def changed_copy(run: RunDirectory, folder: Path, table: str, change: Callable[[Any], Any]) -> RunDirectory:
    """Copy a run directory and change the first record of a table, leaving the run's id as it is."""
    path = folder / run.id
    shutil.copytree(run.path, path)
    copy = RunDirectory.open(path)
    width = len(next(copy.tables("instances")))
    instances = list(copy.records("instances"))[:width]
    ids = {instance.id for instance in instances}
    patterns = [pattern for pattern in copy.records("patterns") if pattern.instance in ids]
    own = {pattern.id for pattern in patterns}
    shard = Shard(
        instances=instances,
        evaluations=list(copy.records("evaluations"))[:width],
        patterns=patterns,
        steps=[step for step in copy.records("steps") if step.pattern in own],
    )
    records = getattr(shard, table)
    records[0] = change(records[0])
    shutil.rmtree(path / "shards" / "00000")
    copy.write_shard(0, shard)
    return copy


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


def test_what_is_stored_is_what_the_directory_holds(location: str, run: RunDirectory) -> None:
    with open_store(location) as store:
        store.add([run])
        for label, table in (("Instance", "instances"), ("Pattern", "patterns")):
            names = ", ".join(f"n.{name} AS {name}" for name in columns(SHARD_TABLES[table]))
            found = rows(store, f"MATCH (n:{label}) RETURN {names} ORDER BY n.id")
            assert found == sorted(map(asdict, run.records(table)), key=lambda row: str(row["id"]))
        names = ", ".join(f"t.{name} AS {name}" for name in ("step", "influence", "margin"))
        found = rows(
            store,
            f"MATCH (p:Pattern)-[t:THROUGH]->(n:Node) RETURN p.id AS pattern, {names}, n.id AS node "
            "ORDER BY p.id, t.step",
        )
        steps = sorted(run.records("steps"), key=lambda step: (step.pattern, step.step))
        assert found == [asdict(step) for step in steps]
        assert any(row["margin"] is None for row in found)
        evaluations = rows(
            store,
            "MATCH (r:Run)-[e:EVALUATED]->(i:Instance) RETURN i.id AS instance, e.qoi AS qoi, "
            "e.tokens AS tokens, e.word_indices AS word_indices, e.is_correct AS is_correct ORDER BY i.id",
        )
        expected = sorted(run.records("evaluations"), key=lambda row: str(row.instance))
        assert evaluations == [{name: getattr(row, name) for name in evaluations[0]} for row in expected]


def test_the_graph_is_the_models_computation_graph(location: str, run: RunDirectory) -> None:
    with open_store(location) as store:
        store.add([run])
        found: nx.DiGraph[str] = nx.DiGraph()
        found.add_nodes_from(row["id"] for row in rows(store, "MATCH (n:Node) RETURN n.id AS id"))
        edges = rows(store, "MATCH (a:Node)-[:FLOWS_TO]->(b:Node) RETURN a.id AS source, b.id AS target")
    found.add_edges_from((row["source"], row["target"]) for row in edges)
    expected = graph.digraph(MODEL, LAYERS, HEADS, run.run.positions)
    assert len(edges) == expected.number_of_edges()
    assert nx.utils.graphs_equal(found, nx.DiGraph(expected.edges))


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
            taken.update(pairwise([*pattern.route.split(), f"q{LAYERS + 1:02d}.--@---"]))
    far = {(row["source"], row["target"]) for row in edges if max(row["here"], row["there"]) >= near}
    assert len(edges) - len(far) == graph.counts(LAYERS, HEADS, near)[1]
    assert far == {
        pair for pair in taken if any(label[-3:] != "---" and int(label[-3:]) >= near for label in pair)
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
        "evaluations": lambda row: replace(row, qoi=row.qoi + 1e-9),
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
    kept = [row for row in run.records("evaluations") if len(row.tokens) < run.run.positions]
    ids = {row.instance for row in kept}
    manifest = run.manifest
    own = {"id", "created", "settings", "environment", "instances", "patterns", "steps", "positions"}
    own |= {"accuracy", "skipped", "state", "loaded"}
    fields = {name: value for name, value in manifest["run"].items() if name not in own}
    made = RunDirectory.create(root, {"short of": run.id}, fields=fields, environment={}, shards=1)
    patterns = [row for row in run.records("patterns") if row.instance in ids]
    steps = {row.id: [] for row in patterns}  # type: dict[str, list[Any]]
    for step in run.records("steps"):
        steps.get(step.pattern, []).append(step)
    renamed = {row.id: row.id.replace(run.id, made.id) for row in patterns}
    made.write_shard(
        0,
        Shard(
            instances=[row for row in run.records("instances") if row.id in ids],
            evaluations=[replace(row, run=made.id) for row in kept],
            patterns=[replace(row, run=made.id, id=renamed[row.id]) for row in patterns],
            steps=[replace(step, pattern=renamed[row.id]) for row in patterns for step in steps[row.id]],
        ),
    )
    made.finish()
    return made


def test_removing_a_run_that_is_not_there_says_so(location: str, run: RunDirectory) -> None:
    with open_store(location) as store:
        store.add([run])
        with pytest.raises(UsageError, match="r000000000000"):
            store.remove("r000000000000")


def test_measures_are_attached_and_replaced_by_id(location: str, run: RunDirectory) -> None:
    first, second, third = make_measures(run)
    text = (
        "MATCH (r:Run)-[:MEASURED]->(m:Measure) "
        "RETURN r.id AS run, m.id AS id, m.value AS value ORDER BY m.id"
    )
    with open_store(location) as store:
        store.add([run])
        store.add_measures(run.id, [first, second])
        store.add_measures(run.id, [replace(second, value=9.5), third])
        found = rows(store, text)
        with pytest.raises(UsageError, match="r000000000000"):
            store.add_measures("r000000000000", [first])
    expected = sorted([first, replace(second, value=9.5), third], key=lambda measure: measure.id)
    assert found == [{"run": run.id, "id": measure.id, "value": measure.value} for measure in expected]


def test_a_directorys_measures_come_with_it_and_go_with_it(location: str, root: Path) -> None:
    measured = make_run(root, seed=7)
    measured.write_measures(make_measures(measured))
    with open_store(location) as store:
        store.add([measured])
        assert counts(store)["Measure"] == len(measured.measures()) == 3
        store.remove(measured.id)
        assert set(counts(store).values()) == {0}


def test_an_unfinished_run_directory_is_refused(location: str, root: Path, run: RunDirectory) -> None:
    unfinished = make_run(root, seed=9, finish=False)
    with open_store(location) as store:
        store.add([run])
        with pytest.raises(UsageError, match=unfinished.id):
            store.add([unfinished])
        assert store.runs() == [run.run]


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
