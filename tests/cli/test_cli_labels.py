"""Runs have labels: given at extraction or later, accepted wherever an id is, shown beside it."""

import re
from pathlib import Path

import pytest
from support.cli_runs import Folder, invoke, own, rows, shared_folder

from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory

__all__ = ["own", "shared_folder"]
TIME = re.compile(r"\d+\.\d s")
FAST = ("--n-steps", "2", "--level", "embedding", "--limit", "4")


def test_a_label_names_a_run_wherever_its_id_does(own: Folder) -> None:
    first, _ = own.runs
    text = "50% of [all] $x"
    invoke("run", "label", first.id[:6], text)
    assert {row["run"]: row["label"] for row in rows("run", "list")}[first.id] == text
    instance = next(iter(first.records("instances"))).id
    for command in (
        ("run", "show", "RUN"),
        ("cite", "RUN"),
        ("report", "heads", "--run", "RUN"),
        ("query", "run", "skip-share", "--run", "RUN"),
        ("query", "run", "skip-share", "--param", "run=RUN"),
        ("show", instance, "--run", "RUN"),
        ("ingest", "run", "RUN"),
    ):
        by_id, by_label = (
            invoke(*(word.replace("RUN", name) for word in command)).stdout for name in (first.id, text)
        )
        assert TIME.sub("", by_id) == TIME.sub("", by_label)
    path = "part.json"
    invoke("store", "export", path, "--format", "json", "--run", text)
    assert first.id in Path(path).read_text()
    for shown in (invoke("report", "heads", "--run", text), invoke("show", instance, "--run", text)):
        assert f"run {first.id} ({text})" in shown.stdout


def test_a_label_of_two_runs_is_ambiguous(own: Folder) -> None:
    first, second = own.runs
    invoke("run", "label", first.id, "same")
    refused = f"the label 'same' is that of run {first.id}; choose another"
    assert refused in invoke("run", "label", second.id, "same", code=2).stderr
    invoke("run", "label", first.id, "same")  # its own stays free to it
    second.set_label("same")  # as a directory copied from elsewhere may have it
    with open_store("ipgraph.db") as store:
        store.set_label(second.id, "same")
    for command in (("cite", "same"), ("report", "heads", "--run", "same")):
        error = invoke(*command, code=2).stderr
        assert "have the label 'same': " in error
        assert all(run.id in error for run in own.runs)


def test_a_label_is_no_part_of_the_id_and_can_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for label in ("first", "second"):
        invoke("ingest", "dataset", "sva-obj", *FAST, "--label", label)
        (path,) = Path("runs").iterdir()
        assert RunDirectory.open(path).run.label == label
        with open_store("ipgraph.db") as store:
            assert [run.label for run in store.runs()] == [label]
    invoke("extract", "sva-obj", *FAST)  # which says nothing of a label
    assert RunDirectory.open(path).label == "second"
    again = invoke("extract", "sva-obj", *FAST).stdout
    assert "nothing to extract, the run already existed" in again
    assert f"({RunDirectory.open(path).label})" in again
