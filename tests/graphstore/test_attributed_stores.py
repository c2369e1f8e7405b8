"""Runs without patterns in both stores: attributions, head views, and edges of mean layer matrices."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from support.attributed import ENCODER_DECODER, make_attributed
from support.fixtures import make_run
from support.stores import changed_copy, counts, due, rows

from ipgraph.graphstore.export.export import export
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import tables

TABLES = ("predictions", "attributions", "views", "contributions")


@pytest.fixture(scope="module")
def hta(root: Path) -> RunDirectory:
    return make_attributed(root)


@pytest.fixture(scope="module")
def flow(root: Path) -> RunDirectory:
    """A run of another model, an encoder-decoder, over the same instances."""
    return make_attributed(root, method="flow", model="two-0123456789ab", shape=ENCODER_DECODER)


def test_both_stores_give_back_what_was_written(
    location: str, hta: RunDirectory, flow: RunDirectory, run: RunDirectory
) -> None:
    seen: list[tuple[int, int]] = []
    with open_store(location) as store:
        assert store.add([hta, flow, run], lambda done, total: seen.append((done, total))) == 3
        assert counts(store) == due(hta, flow, run)
        assert seen[-1] == (run.run.patterns, run.run.patterns)
        for name in TABLES:
            table = tables.files()[name]
            stored = rows(store, f"{table.match} WHERE {table.of_runs} RETURN {table.items}", runs=[hta.id])
            expected = [asdict(row) for row in hta.records(name)]
            assert sorted(map(repr, stored)) == sorted(
                repr({key: row[key] for key in stored[0]}) for row in expected
            )
        assert store.check([hta, flow, run]) == []
        assert store.add([hta, flow, run]) == 0
        assert counts(store) == due(hta, flow, run)


def test_matrices_are_nowhere_in_a_store(location: str, hta: RunDirectory) -> None:
    with open_store(location) as store:
        store.add([hta])
        assert json.loads(store.runs()[0].rows)["matrices"] == 24
        assert "LayerMatrix" not in store.info()
        assert {name: number for name, number in store.info().items() if number == 24} == {
            "Instance": 24,
            "PREDICTED": 24,
            "ATTRIBUTES": 24,
            "VIEWS": 24,
        }


def test_check_names_the_table_whose_content_differs(
    location: str, hta: RunDirectory, tmp_path: Path
) -> None:
    changes: dict[str, Callable[[Any], Any]] = {
        "attributions": lambda row: replace(row, scores=[*row.scores[:-1], 0.125]),
        "views": lambda row: replace(row, correlations=[*row.correlations[:-1], 0.125]),
        "predictions": lambda row: replace(row, qoi_baseline=0.0),
    }
    copies = {name: changed_copy(hta, tmp_path / name, name, change) for name, change in changes.items()}
    contributed = changed_copy(hta, tmp_path / "matrices", "matrices", _doubled)
    contributed.finish()
    with open_store(location) as store:
        store.add([hta])
        for name, copy in {**copies, "contributions": contributed}.items():
            problems = [problem.what for problem in store.check([copy])]
            assert problems == [f"{name}: as many, but their content differs"]


def _doubled(row: Any) -> Any:
    return replace(row, values=[2 * value for value in row.values])


def test_check_names_a_damaged_file_of_contributions(
    location: str, hta: RunDirectory, tmp_path: Path
) -> None:
    damaged = make_attributed(tmp_path)
    assert damaged.id == hta.id
    (damaged.path / "contributions.parquet").unlink()
    with open_store(location) as store:
        store.add([hta])
        (problem,) = store.check([damaged])
        assert problem.what.endswith("contributions.parquet is missing or not what was written")


def test_a_removed_run_takes_its_scores_and_edges_along(
    location: str, root: Path, hta: RunDirectory, flow: RunDirectory, run: RunDirectory
) -> None:
    same = make_attributed(root, seed=1)
    with open_store(location) as store:
        store.add([hta, flow, run, same])
        store.remove(same.id)
        assert counts(store) == due(hta, flow, run)
        store.remove(flow.id)
        assert counts(store) == due(hta, run)
        assert store.check([hta, run]) == []
        store.remove(hta.id)
        store.remove(run.id)
        assert set(counts(store).values()) == {0}


def test_a_rebuilt_store_keeps_a_run_whose_directory_is_gone(
    location: str, hta: RunDirectory, flow: RunDirectory
) -> None:
    with open_store(location) as store:
        store.add([hta, flow])
        assert [kept.id for kept in store.rebuild([flow])] == [hta.id]
        assert store.check([hta, flow]) == []
        assert counts(store) == due(hta, flow)


def test_exports_hold_scores_and_edges(location: str, hta: RunDirectory, tmp_path: Path) -> None:
    with open_store(location) as store:
        store.add([hta])
        export(store, tmp_path / "all.json", "json")
        export(store, tmp_path / "all.graphml", "graphml")
    data = json.loads((tmp_path / "all.json").read_text())
    types = Counter(item["type"] for item in data["edges"])
    contributed = [row.mean for row in hta.records("contributions")]
    assert (types["ATTRIBUTES"], types["VIEWS"], types["CONTRIBUTES"]) == (24, 24, len(contributed))
    graph = nx.read_graphml(tmp_path / "all.graphml", force_multigraph=True)
    edges = [facts for *_, facts in graph.edges(data=True)]
    means = sorted(facts["mean"] for facts in edges if facts["type"] == "CONTRIBUTES")
    assert means == sorted(contributed)
    scores = sorted(facts["scores"] for facts in edges if facts["type"] == "ATTRIBUTES")
    assert scores == sorted(json.dumps(row.scores) for row in hta.records("attributions"))


def test_edges_of_a_run_that_is_gone_are_found(tmp_path: Path, hta: RunDirectory, run: RunDirectory) -> None:
    import ladybug
    from support.fixtures import MEMORY

    path = tmp_path / "store.db"
    with open_store(path) as store:
        store.add([hta, run])
    with ladybug.Database(path, **MEMORY) as database:
        connection = ladybug.Connection(database)
        connection.execute("MATCH (:Node)-[e:CONTRIBUTES]->(:Node) SET e.run = 'gone'")
    with open_store(path) as store:
        number = len(list(hta.records("contributions")))
        assert ("CONTRIBUTES", f"{number} belong to no run") in {
            (problem.where, problem.what) for problem in store.check()
        }


def test_a_part_of_a_run_is_exported_with_its_scores(tmp_path: Path) -> None:
    mixed = make_run(tmp_path)
    ids = [row.id for row in mixed.records("instances")][:2]
    with open_store(tmp_path / "store.db") as store:
        store.add([mixed])
        export(store, tmp_path / "part.json", "json", instances=ids)
    data = json.loads((tmp_path / "part.json").read_text())
    assert sum(edge["type"] == "ATTRIBUTES" for edge in data["edges"]) == 2
