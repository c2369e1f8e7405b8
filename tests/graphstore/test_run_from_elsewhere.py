"""Run directories that somebody else made: nothing in them is believed before it is checked."""

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.attributed import ENCODER_DECODER, make_attributed
from support.fixtures import make_measures, make_run

from ipgraph.graphstore.common import files
from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.embedded.store import EmbeddedStore
from ipgraph.graphstore.runs import shards
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.runs.finding import list_runs
from ipgraph.graphstore.schema.arrow import arrow_schema
from ipgraph.graphstore.schema.records import Contribution, columns
from ipgraph.graphstore.schema.tables import record_of

Row = dict[str, Any]


def forge(run: RunDirectory, name: str, change: Callable[[list[Row]], None]) -> None:
    """Change the rows of a table in the first shard, and its digest with them."""
    folder = run.path / "shards/00000"
    file = folder / f"{name}.parquet"
    rows = pq.read_table(file).to_pylist()
    change(rows)
    schema = arrow_schema(record_of(name))
    data = {column: [row[column] for row in rows] for column in columns(record_of(name))}
    pq.write_table(pa.table(data, schema=schema), file)
    sign(folder, file, len(rows))


def sign(folder: Path, file: Path, rows: int) -> None:
    manifest = json.loads((folder / shards.MANIFEST).read_text())
    manifest["files"][file.name] = {"rows": rows, "sha256": shards.digest(file)}
    (folder / shards.MANIFEST).write_text(json.dumps(manifest))


def put(name: str, value: Any, row: int = 0) -> Callable[[list[Row]], None]:
    return lambda rows: rows[row].__setitem__(name, value)


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("steps", put("influence", float("nan")), "influence is nan"),
        ("steps", put("margin", float("inf")), "margin is inf"),
        ("steps", put("step", 7), "steps do not follow"),
        ("steps", put("node", "../../x"), "steps do not follow"),
        ("steps", put("runner_up", -5, 1), "runner_up is less than 0"),
        ("patterns", put("position", 99), "position is not one of its tokens"),
        ("patterns", put("sign", 0), "sign is neither"),
        ("patterns", put("product", -0.5), "product is less than 0"),
        ("patterns", put("id", "other/x/a0001"), "id is not that"),
        ("patterns", put("run", "r000000000000"), "is of another run"),
        ("patterns", put("instance", "nobody"), "not in the shard"),
        ("patterns", put("level", "both"), "level is not one of"),
        ("patterns", put("route", "x00.--@0000"), "route is not its path's"),
        ("patterns", put("role_route", "x"), "role_route is not as long"),
        ("predictions", put("target", 40), "target is not one of its tokens"),
        ("predictions", put("roles", ["cls"]), "roles are not as many"),
        ("predictions", put("words", ["a", None]), "words is"),
        ("instances", put("label", -7), "label is less than -1"),
        ("instances", lambda rows: rows[1].update(id=rows[0]["id"]), "appears twice"),
    ],
)
def test_values_that_no_run_has_are_refused_before_loading(
    tmp_path: Path, table: str, change: Callable[[list[Row]], None], message: str
) -> None:
    run = make_run(tmp_path / "runs")
    forge(run, table, change)
    with EmbeddedStore(tmp_path / "store.db") as store, pytest.raises(IpgraphError, match=message):
        store.add([RunDirectory.open(run.path)])
    assert not (tmp_path / "store.db").exists()


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("attributions", put("scores", [0.5]), "scores are not as many"),
        ("attributions", put("scores", [0.5] * 6 + [float("nan")]), "scores is"),
        ("attributions", put("instance", "nobody"), "not in the shard"),
        ("attributions", lambda rows: rows.append(rows[0]), "have the same instance"),
        ("attributions", put("cut_layers", [1]), "cut_layers are not as many"),
        ("attributions", put("cut_layers", [99] * 7), "a layer that the model does not have"),
        ("attributions", put("mixing", [0.5] * 9), "mixing has not one value per layer"),
        ("views", put("correlations", []), "correlations are not 1 for each"),
        ("views", put("global_masses", [0.5]), "global_masses are not 5 for each"),
        ("matrices", put("rows", 6), "its values are not layers x rows x columns"),
        ("matrices", put("layers", -3), "its values are not layers x rows x columns"),
        ("matrices", lambda rows: rows[0].update(rows=49, columns=1), "do not fit its 7 tokens"),
        (
            "matrices",
            lambda rows: rows[0].update(layers=147, rows=1, columns=1),
            "more layers than the model",
        ),
        ("matrices", put("values", [float("inf")] * 147), "values is"),
        ("matrices", put("run", "r000000000000"), "is of another run"),
        ("matrices", lambda rows: rows.append(rows[0]), "have the same instance and name"),
    ],
)
def test_scores_and_matrices_that_no_run_has_are_refused_before_loading(
    tmp_path: Path, table: str, change: Callable[[list[Row]], None], message: str
) -> None:
    run = make_attributed(tmp_path / "runs")
    forge(run, table, change)
    with EmbeddedStore(tmp_path / "store.db") as store, pytest.raises(IpgraphError, match=message):
        store.add([RunDirectory.open(run.path)])
    assert not (tmp_path / "store.db").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("source", "toy-0123456789ab/h01.01@0000"), "source is not an embedding of the run's graph"),
        (put("target", "toy-0123456789ab/e09.--@0000"), "target is not an embedding of the run's graph"),
        (put("target", "toy2-0123456789ab/e01.--@0000"), "target is not an embedding of the run's graph"),
        (put("run", "r000000000000"), "is of another run"),
        (put("mean", float("nan")), "mean is nan"),
        (put("instances", 0), "a mean over no sentence"),
        (lambda rows: rows.append(rows[0]), "have the same source and target and subtask and condition"),
        (lambda rows: rows.pop(), "its files have the rows"),
    ],
)
def test_contributions_that_no_run_has_are_refused(
    tmp_path: Path, change: Callable[[list[Row]], None], message: str
) -> None:
    run = make_attributed(tmp_path)
    file = run.path / "contributions.parquet"
    rows = pq.read_table(file).to_pylist()
    change(rows)
    data = {column: [row[column] for row in rows] for column in columns(Contribution)}
    pq.write_table(pa.table(data, schema=arrow_schema(Contribution)), file)
    run.manifest["files"][file.name] = shards.digest(file)
    with pytest.raises(IpgraphError, match=message):
        run.require_complete()


def test_the_decoders_matrices_must_fit_the_tokens_that_the_encoder_leaves(tmp_path: Path) -> None:
    run = make_attributed(tmp_path, shape=ENCODER_DECODER)
    run.require_complete()
    forge(run, "matrices", lambda rows: rows[1].update(rows=1, columns=9))
    with pytest.raises(IpgraphError, match="their sizes do not fit its 7 tokens"):
        run.require_complete()


def test_a_path_along_labels_that_do_not_parse_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    path = list(pq.read_table(run.path / "shards/00000/patterns.parquet")["path"][0].as_py())
    path[0] = "toy-0123456789ab/z99.99@99999"
    forge(run, "patterns", put("path", path))
    forge(run, "steps", put("node", path[0]))
    with pytest.raises(IpgraphError, match="is not a node of the run's graph"):
        run.require_complete()


def test_columns_of_another_type_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    file = run.path / "shards/00000/steps.parquet"
    table = pq.read_table(file)
    column = pa.chunked_array([[str(value) for value in table["step"].to_pylist()]])
    pq.write_table(table.set_column(1, "step", column), file)
    sign(file.parent, file, len(table))
    with pytest.raises(UsageError, match="column step is of type string"):
        run.require_complete()


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "../../outside"},
        {"id": "r000000000000"},
        {"id": 5},
        {"shards": -1},
        {"shards": 10**9},
        {"shards": "3"},
        {"state": "done"},
        {"created": "x\x1b[2J"},
        {"skipped": [1]},
        {"files": {"../x": "0"}},
        {"run": []},
        {"settings": {"model": "another"}},
    ],
)
def test_a_manifest_that_no_run_has_is_refused_and_hides_no_other(tmp_path: Path, changed: Row) -> None:
    good, bad = make_run(tmp_path), make_run(tmp_path, seed=1)
    (bad.path / "run.json").write_text(json.dumps(bad.manifest | changed))
    with pytest.raises(UsageError, match=str(bad.path)) as caught:
        RunDirectory.open(bad.path)
    assert "\x1b" not in str(caught.value)
    assert [run.id for run in list_runs(tmp_path)] == [good.id]


@pytest.mark.parametrize(
    "changed",
    [
        {"layers": 10**9},
        {"heads": 0},
        {"positions": 10**6},
        {"accuracy": 2.0},
        {"patterns": "many"},
        {"graph": "[[[["},
        {"graph": '[{"heads": 1000000000}]'},
        {"tolerance": 10**400},
        {"colour": "red"},
    ],
)
def test_fields_that_no_run_has_are_refused(tmp_path: Path, changed: Row) -> None:
    run = make_run(tmp_path)
    manifest = run.manifest | {"run": run.manifest["run"] | changed}
    (run.path / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="is damaged"):
        RunDirectory.open(run.path)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"schema_version": NaN}', "\xff", '{"a": ' + "9" * 9999 + "}"]
)
def test_text_that_is_not_plain_json_is_a_usage_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="not JSON"):
        RunDirectory.open(tmp_path)


def test_files_are_not_read_past_their_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path)
    monkeypatch.setattr("ipgraph.graphstore.schema.arrow.MAX_VALUES", 10)
    with pytest.raises(UsageError, match="at most 10 are read"):
        run.require_complete()
    monkeypatch.setattr(files, "MAX_JSON", 10)
    with pytest.raises(UsageError, match="at most 10 are read"):
        RunDirectory.open(run.path)


def test_links_and_pipes_inside_a_run_are_not_followed(tmp_path: Path) -> None:
    run, other = make_run(tmp_path / "runs"), make_run(tmp_path / "other", seed=1)
    file = run.path / "shards/00000/steps.parquet"
    file.rename(tmp_path / "steps.parquet")
    file.symlink_to(tmp_path / "steps.parquet")
    assert "is a link" in run.faults()[0]
    file.unlink()
    os.mkfifo(file)
    assert "not a regular file" in run.faults()[0]
    (other.path / "shards").rename(tmp_path / "shards")
    (other.path / "shards").symlink_to(tmp_path / "shards")
    with pytest.raises(UsageError, match="is a link"):
        other.faults()
    (other.path / "run.json").unlink()
    os.mkfifo(other.path / "run.json")
    assert list_runs(tmp_path / "other") == []


def test_the_folder_of_runs_may_be_a_link(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    assert [found.id for found in list_runs(tmp_path / "link")] == [run.id]


def test_more_shards_than_the_manifest_says_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    shutil.copytree(run.path / "shards/00002", run.path / "shards/00003")
    with pytest.raises(IpgraphError, match=r"has 3 shards, and .* holds 00003 too"):
        run.require_complete()


def test_deleting_removes_what_was_named_and_no_links_target(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    copy = shutil.copytree(run.path, tmp_path / "runs/backup")
    (found,) = list_runs(tmp_path / "runs")
    found.delete()
    assert copy.is_dir()
    assert not run.path.exists()
    link = tmp_path / "runs" / run.id
    link.symlink_to(copy)
    (found,) = list_runs(tmp_path / "runs")
    found.delete()
    assert not link.is_symlink()
    assert (copy / "run.json").is_file()


def test_simultaneous_evaluations_keep_all_measures(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (first,) = make_measures(run, 1)
    due = [replace(first, id=f"{run.id}/{number:02d}") for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda measure: RunDirectory.open(run.path).write_measures([measure]), due))
    assert run.measures() == due
