"""Layer matrices of a run directory, and their means as edges of the computation graph, computed by hand."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.attributed import ENCODER_DECODER, SOURCE, make_attributed
from support.fixtures import MODEL, make_run
from support.shards import read_shard

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.runs import contributions, shards
from ipgraph.graphstore.runs.directory import RunDirectory, Shard
from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.graph import GraphLayer, GraphShape
from ipgraph.graphstore.schema.records import Contribution, LayerMatrix, Prediction


def written(
    root: Path, shape: GraphShape, sentences: list[tuple[str, list[str], dict[str, Any]]]
) -> RunDirectory:
    """Write a run of one sentence per condition, roles and matrices, in shards of two."""
    template = make_attributed(root / "template", instances=1)
    shard = read_shard(template, 0)
    fields = template.fields | {"graph": shape.to_json(), "layers": len(shape.layers)}
    run = RunDirectory.create(
        root, {"hand": len(sentences)}, fields=fields, environment={}, shards=-(-len(sentences) // 2)
    )
    for index in range(run.manifest["shards"]):
        part = Shard()
        for number, (condition, roles, matrices) in list(enumerate(sentences))[2 * index : 2 * index + 2]:
            key = f"hand:{number}"
            part.instances.append(replace(shard.instances[0], id=key, condition=condition))
            part.predictions.append(_prediction(shard.predictions[0], run.id, key, roles))
            rows = part.further.setdefault("matrices", [])
            for name, values in matrices.items():
                array = np.array(values, float)
                layers, high, wide = array.shape
                rows.append(LayerMatrix(run.id, key, name, layers, high, wide, array.ravel().tolist()))
        run.write_shard(index, part)
    run.finish()
    return run


def _prediction(row: Prediction, run: str, instance: str, roles: list[str]) -> Prediction:
    indices = list(range(len(roles)))
    lists: dict[str, Any] = {"tokens": roles, "words": roles, "word_indices": indices, "roles": roles}
    return replace(row, run=run, instance=instance, target=0, **lists)


def edges(run: RunDirectory) -> dict[tuple[str, str, str], tuple[float, int]]:
    """Return mean and number of instances by condition, and the labels of source and target."""
    found = list(run.records("contributions"))
    assert {(row.run, row.subtask) for row in found} <= {(run.id, "toy")}
    assert {row.source.rpartition("/")[0] for row in found} <= {MODEL}
    by_ends = {
        (row.condition, row.source.rpartition("/")[2], row.target.rpartition("/")[2]): (
            row.mean,
            row.instances,
        )
        for row in found
    }
    assert len(by_ends) == len(found) == json.loads(run.run.rows)["contributions"]
    return by_ends


def test_means_over_the_most_frequent_structure_are_edges(tmp_path: Path) -> None:
    first = {"self": [[[1, 0], [0.5, 0.5]], [[0.25, 0.75], [0, 1]]]}
    second = {"self": [[[0, 0], [0.25, 1]], [[0.75, 0.25], [0, 0.5]]]}
    other = {"self": np.ones((2, 3, 3))}
    run = written(
        tmp_path,
        GraphShape.uniform(2, 1),
        [
            ("plural", ["x", "y", "z"], other),
            ("plural", ["a", "b"], first),
            ("singular", ["a", "b"], first),
            ("plural", ["a", "b"], second),
            ("singular", ["a", "c"], second),  # as frequent as the one before it, which comes first
            ("none", ["a", "b"], {}),
        ],
    )
    assert edges(run) == {
        ("plural", "x00.--@0000", "e01.--@0000"): (0.5, 2),
        ("plural", "x00.--@0000", "e01.--@0001"): (0.375, 2),
        ("plural", "x00.--@0001", "e01.--@0001"): (0.75, 2),
        ("plural", "e01.--@0000", "e02.--@0000"): (0.5, 2),
        ("plural", "e01.--@0001", "e02.--@0000"): (0.5, 2),
        ("plural", "e01.--@0001", "e02.--@0001"): (0.75, 2),
        ("singular", "x00.--@0000", "e01.--@0000"): (1, 1),
        ("singular", "x00.--@0000", "e01.--@0001"): (0.5, 1),
        ("singular", "x00.--@0001", "e01.--@0001"): (0.5, 1),
        ("singular", "e01.--@0000", "e02.--@0000"): (0.25, 1),
        ("singular", "e01.--@0001", "e02.--@0000"): (0.75, 1),
        ("singular", "e01.--@0001", "e02.--@0001"): (1, 1),
    }


def test_an_encoder_decoders_edges_lead_from_the_stack_that_a_layer_reads(tmp_path: Path) -> None:
    shape = GraphShape(
        (GraphLayer(1), *(GraphLayer(1, ahead=0, stack=2, reads=2), GraphLayer(1, stack=2, reads=1)) * 2)
    )
    matrices = {
        "encoder": [[[1, 0], [0, 2]]],
        "self": [[[3]], [[4]]],
        "cross": [[[5, 6]], [[0, 7]]],
        "hidden": np.ones((2, 3, 3)),
    }
    run = written(tmp_path, shape, [("", ["a", "b", "c"], matrices)])
    assert edges(run) == {
        ("", "x00.--@0000", "e01.--@0000"): (1, 1),
        ("", "x00.--@0001", "e01.--@0001"): (2, 1),
        ("", "X00.--@0000", "E02.--@0000"): (3, 1),
        ("", "e01.--@0000", "E03.--@0000"): (5, 1),
        ("", "e01.--@0001", "E03.--@0000"): (6, 1),
        ("", "E03.--@0000", "E04.--@0000"): (4, 1),
        ("", "e01.--@0001", "E05.--@0000"): (7, 1),
    }
    flows = graph.digraph(MODEL, shape, 3, level="embedding").edges
    assert {(row.source, row.target) for row in run.records("contributions")} <= set(flows)


def test_structures_that_are_too_long_have_no_edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "FULL_POSITIONS", 2)
    short, long = {"self": np.ones((1, 2, 2))}, {"self": np.ones((1, 3, 3))}
    sentences = [("long", ["a", "b", "c"], long), ("short", ["a", "b"], short), ("long", ["a", "b"], short)]
    run = written(tmp_path, GraphShape.uniform(1, 1), sentences)
    assert {condition for condition, *_ in edges(run)} == {"short"}


def test_an_instances_matrices_are_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_GROUP_VALUES", 40)
    run = make_attributed(tmp_path, shape=ENCODER_DECODER, method="flow")
    rows = [row for row in run.records("matrices") if row.instance == "words:000000000013"]
    found = run.matrices("words:000000000013")
    assert found.keys() == {"encoder", "self", "cross"}
    assert {name: array.shape for name, array in found.items()} == {
        "encoder": (2, SOURCE, SOURCE),
        "self": (2, 3, 3),
        "cross": (2, 3, SOURCE),
    }
    for row in rows:
        assert found[row.name].dtype == np.float64
        np.testing.assert_array_equal(found[row.name].ravel(), row.values)


def test_reading_matrices_loads_no_other_shards_than_the_instances(tmp_path: Path) -> None:
    run = make_attributed(tmp_path)
    expected = run.matrices("words:000000000013")["self"]
    for index in (0, 2):
        (run.path / f"shards/{index:05d}/matrices.parquet").unlink()
    np.testing.assert_array_equal(run.matrices("words:000000000013")["self"], expected)


def test_a_table_larger_than_what_is_read_at_once_is_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "_GROUP_VALUES", 200)
    run = make_attributed(tmp_path)
    monkeypatch.setattr("ipgraph.graphstore.schema.arrow.MAX_VALUES", 700)
    assert sum(len(piece) for piece in run.tables("matrices")) == 24
    monkeypatch.setattr("ipgraph.graphstore.schema.arrow.MAX_VALUES", 100)
    with pytest.raises(UsageError, match="at most 100 are read"):
        list(run.tables("matrices"))


def test_asking_for_matrices_that_are_not_there_says_why(tmp_path: Path) -> None:
    run, paths = make_attributed(tmp_path), make_run(tmp_path)
    with pytest.raises(UsageError, match=f"run {run.id} has no instance 'nobody'"):
        run.matrices("nobody")
    instance = next(paths.records("instances")).id
    with pytest.raises(UsageError, match="its method is gpr; make a run of a method that keeps them"):
        paths.matrices(instance)


def test_an_interrupted_finish_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_attributed(tmp_path / "whole")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ipgraph.graphstore.runs.directory._write", stop)
        with pytest.raises(KeyboardInterrupt):
            make_attributed(tmp_path / "part")
    part = RunDirectory.open(tmp_path / "part" / whole.id)
    assert not part.is_complete
    part.finish()
    part.require_complete()
    assert list(part.records("contributions")) == list(whole.records("contributions")) != []


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"PAR1")])
def test_a_damaged_file_of_contributions_is_named_and_made_again(tmp_path: Path, damage: Any) -> None:
    run = make_attributed(tmp_path)
    before = list(run.records("contributions"))
    damage(run.path / "contributions.parquet")
    with pytest.raises(IpgraphError, match=r"contributions\.parquet is missing or not what was written"):
        run.require_complete()
    run.finish()
    run.require_complete()
    assert list(run.records("contributions")) == before


def test_a_run_without_matrices_has_no_contributions(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert list(run.records("contributions")) == []
    assert [file.name for file in run.files("contributions")] == ["contributions.parquet"]


def test_contributions_do_not_go_into_shards(tmp_path: Path) -> None:
    run = make_attributed(tmp_path, finish=False)
    row = Contribution(run.id, "a", "b", "", "", 1.0, 1)
    shard = replace(read_shard(run, 0), further={"contributions": [row]})
    with pytest.raises(IpgraphError, match="not in the schema: contributions"):
        run.write_shard(0, shard)
    shutil.rmtree(run.path)


def test_the_names_of_matrices_are_those_of_the_graphs_layers() -> None:
    double = {name: contributions.layers_of(ENCODER_DECODER, name) for name in ("encoder", "self", "cross")}
    assert double == {"encoder": [1, 2], "self": [3, 5], "cross": [4, 6]}
    assert contributions.layers_of(GraphShape.uniform(2, 1), "self") == [1, 2]
    assert contributions.layers_of(GraphShape.uniform(2, 1), "hidden") == []
