"""SIGKILL at any moment leaves the old store or the new one, and of a run its finished shards."""

import multiprocessing
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from support.attributed import make_attributed
from support.fixtures import make_run

from ipgraph.graphstore.embedded.store import EmbeddedStore
from ipgraph.graphstore.runs.content import content
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.runs.finding import list_runs

KILLS = 20
PRELOADED = ["test_kills", "ipgraph.extractor.extraction.extract", "transformers.models.bert.modeling_bert"]
"""What takes long to import, so that the moments fall into the work."""
EXTRACTION: dict[str, Any] = {
    "model": "demo",
    "dataset": "sva-obj",
    "limit": 200,
    "n_steps": 2,
    "level": "embedding",
    "device": "cpu",
    "batch_size": 20,
}


def load(ready: Connection, store: Path, run: Path) -> None:
    ready.send("ready")
    with EmbeddedStore(store) as opened:
        opened.add([RunDirectory.open(run)])


def extract_and_load(ready: Connection, store: Path, runs: Path) -> None:
    import torch

    from ipgraph.extractor.extraction.extract import extract

    torch.set_num_threads(1)
    ready.send("ready")
    run = extract(runs_dir=runs, **EXTRACTION)
    with EmbeddedStore(store) as opened:
        opened.add([run])


@contextmanager
def started(work: Callable[..., None], *arguments: Path) -> Iterator[ForkServerProcess]:
    """Start a process that forks from one which has imported all; give it when the work begins."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there, *arguments))
    process.start()
    assert here.poll(120)
    assert here.recv() == "ready"
    try:
        yield process
    finally:
        process.kill()
        process.join()


def duration(work: Callable[..., None], *arguments: Path) -> float:
    """How long the work takes if left alone."""
    with started(work, *arguments) as process:
        began = time.monotonic()
        process.join()
        assert process.exitcode == 0
        return time.monotonic() - began


def kill(work: Callable[..., None], *arguments: Path, after: float) -> float | None:
    """Kill the work after so many seconds; if it was done sooner, return how long it took."""
    with started(work, *arguments) as process:
        began = time.monotonic()
        process.join(after)
        took = time.monotonic() - began
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        return took if process.exitcode == 0 else None


def test_a_load_killed_at_any_moment(tmp_path: Path) -> None:
    old, new = make_run(tmp_path / "runs"), make_attributed(tmp_path / "runs", instances=400)
    path, spare = tmp_path / "store.db", tmp_path / "spare"
    with EmbeddedStore(path) as store:
        store.add([old])
    shutil.copy(path, spare)
    whole = duration(load, path, new.path)
    done = 0
    for moment in range(KILLS):
        shutil.copy(spare, path)
        if took := kill(load, path, new.path, after=whole * (moment + 0.5) / KILLS):
            done, whole = done + 1, min(whole, took)
        with EmbeddedStore(path) as store:
            held = [run.id for run in store.runs()]
            assert held in ([old.id], [new.id, old.id])
            assert store.check([old, new][: len(held)]) == []
    assert done < KILLS // 2
    with EmbeddedStore(path) as store:
        store.add([new])
        assert store.check([old, new]) == []
    assert {file.name for file in tmp_path.iterdir()} <= {"runs", "spare", "store.db", "store.db.writing"}


def test_an_extraction_killed_at_any_moment(tmp_path: Path) -> None:
    path, spare = tmp_path / "store.db", tmp_path / "spare"
    began = make_run(tmp_path / "before")
    with EmbeddedStore(spare) as store:
        store.add([began])
    for folder in ("first", "whole"):  # the first time, it still loads what the others find loaded
        shutil.copy(spare, path)
        whole = duration(extract_and_load, path, tmp_path / folder)
    expected = content(list_runs(tmp_path / "whole")[0])
    done = 0
    left: list[RunDirectory] = []
    for moment in range(KILLS):
        shutil.copy(spare, path)
        runs = tmp_path / f"killed{moment}"
        if took := kill(extract_and_load, path, runs, after=whole * (moment + 0.5) / KILLS):
            done, whole = done + 1, min(whole, took)
        left += list_runs(runs)
        for run in list_runs(runs):
            assert set(run.faults().values()) <= {"missing"}
        with EmbeddedStore(path) as store:
            assert store.check([began]) == []
    assert done < KILLS // 2
    unfinished = [run for run in left if run.missing()]
    furthest = min(unfinished, key=lambda run: len(run.missing()))
    shutil.copy(spare, path)
    duration(extract_and_load, path, furthest.path.parent)
    run = RunDirectory.open(furthest.path)
    assert content(run).differences(expected) == []
    with EmbeddedStore(path) as store:
        assert store.check([began, run]) == []


@pytest.mark.parametrize("same", [True, False])
def test_two_loads_at_once_both_end_in_the_store(tmp_path: Path, same: bool) -> None:
    runs = [make_run(tmp_path / "runs"), make_run(tmp_path / "runs", seed=0 if same else 1)]
    path = tmp_path / "store.db"
    with started(load, path, runs[0].path) as one, started(load, path, runs[1].path) as other:
        one.join()
        other.join()
        assert (one.exitcode, other.exitcode) == (0, 0)
    with EmbeddedStore(path) as store:
        assert {run.id for run in store.runs()} == {run.id for run in runs}
        assert store.check(runs) == []
