"""Run directories: resuming, corruption, and what must not get into a shard."""

import errno
import json
import logging
import multiprocessing
import os
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.fixtures import file_size_limit, make_measures, make_run
from support.shards import read_shard

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.runs import shards
from ipgraph.graphstore.runs.directory import RunDirectory, run_id
from ipgraph.graphstore.runs.finding import find_run, list_runs
from ipgraph.graphstore.schema.records import SCHEMA_VERSION

RACERS, ROUNDS = 8, 5
"""Processes that create the same run at once, and how often."""


def test_the_run_id_is_that_of_the_settings() -> None:
    settings = {"model": "m", "n_steps": 50, "levels": ["embedding"]}
    assert run_id(settings) == run_id(dict(reversed(settings.items())))
    assert run_id(settings) != run_id(settings | {"n_steps": 51})
    assert len(run_id(settings)) == 13


def test_a_finished_run_says_what_it_holds(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    predictions = list(run.records("predictions"))
    assert run.run.instances == len(list(run.records("instances"))) == len(predictions) == 24
    assert run.run.patterns == run.run.loaded == len(list(run.records("patterns")))
    assert (
        run.run.steps == len(list(run.records("steps"))) == sum(len(p.path) for p in run.records("patterns"))
    )
    assert run.run.positions == max(len(prediction.tokens) for prediction in predictions)
    assert run.run.accuracy == sum(prediction.qoi > 0 for prediction in predictions) / 24
    assert run.run.skipped == len(run.manifest["skipped"]) == 1
    assert run.run.id == run.id == run_id(json.loads(run.run.settings))
    assert run.manifest["schema_version"] == SCHEMA_VERSION


def test_an_interrupted_run_resumes_from_its_finished_shards(tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole")
    part = make_run(tmp_path / "part", finish=False)
    assert part.id == whole.id
    assert part.missing() == [2]
    assert not part.is_complete
    with pytest.raises(UsageError, match="not complete"):
        _ = part.run
    with pytest.raises(IpgraphError, match=r"shard 2 .* is missing"):
        part.finish()
    kept = (part.path / "shards/00000/steps.parquet").stat().st_mtime_ns
    resumed = RunDirectory.create(
        tmp_path / "part", part.manifest["settings"], fields={}, environment={}, shards=3
    )
    resumed.write_shard(2, read_shard(whole, 2))
    resumed.finish()
    assert resumed.run == replace(whole.run, created=resumed.run.created)
    assert (part.path / "shards/00000/steps.parquet").stat().st_mtime_ns == kept
    assert make_run(tmp_path / "whole", finish=False).is_complete


@pytest.mark.parametrize("damage", ["flip a bit", "truncate", "remove a table", "spoil the manifest"])
def test_a_corrupt_shard_is_found_named_and_written_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    run = make_run(tmp_path)
    good = read_shard(run, 1)
    file = run.path / "shards/00001/steps.parquet"
    if damage == "flip a bit":
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif damage == "truncate":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "remove a table":
        file.unlink()
    else:
        (file.parent / shards.MANIFEST).write_text("{")
    with caplog.at_level(logging.WARNING):
        assert run.missing() == [1]
    assert f"shard 1 of run {run.id} is corrupt" in caplog.text
    with pytest.raises(IpgraphError, match=r"shard 1 of run .* is corrupt"):
        run.require_complete()
    run.write_shard(1, good)
    assert run.missing() == []
    assert read_shard(run, 1) == good
    assert {path.name for path in (run.path / "shards").iterdir()} == {"00000", "00001", "00002"}


def test_a_good_shard_that_another_process_finished_first_stays(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    file = run.path / "shards/00001/steps.parquet"
    before = file.stat().st_ino
    run.write_shard(1, read_shard(run, 1))
    assert file.stat().st_ino == before
    assert run.missing() == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.instances.append(s.instances[0]), "twice"),
        (lambda s: s.predictions.reverse(), "same order"),
        (lambda s: s.steps.pop(), "follow its patterns"),
        (lambda s: s.steps.insert(0, s.steps.pop(1)), "follow its patterns"),
        (lambda s: s.patterns.append(replace(s.patterns[0], instance="other")), "not in the shard"),
        (lambda s: s.patterns.__setitem__(3, replace(s.patterns[3], run="r0")), "another run"),
        (
            lambda s: s.steps.__setitem__(5, replace(s.steps[5], influence=float("nan"))),
            "Step row 5: influence",
        ),
        (lambda s: s.steps.__setitem__(5, replace(s.steps[5], margin=float("inf"))), "Step row 5: margin"),
        (
            lambda s: s.patterns.__setitem__(2, replace(s.patterns[2], role=None)),
            "Pattern row 2: role is None",
        ),
        (
            lambda s: s.predictions.__setitem__(0, replace(s.predictions[0], qoi="x")),
            "does not fit the schema",
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, spoil: Any, message: str) -> None:
    run = make_run(tmp_path)
    shard = read_shard(run, 0)
    spoil(shard)
    with pytest.raises(IpgraphError, match=message):
        run.write_shard(0, shard)
    assert run.missing() == []


def test_finishing_leaves_alone_what_another_process_is_writing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "part", finish=False)
    run.write_shard(2, read_shard(make_run(tmp_path / "whole"), 2))
    now, abandoned = (run.path / "shards" / name for name in (".00000.now.tmp", ".00000.old.tmp"))
    for folder in (now, abandoned):
        folder.mkdir(parents=True)
    long_ago = time.time() - 3600
    os.utime(abandoned, (long_ago, long_ago))
    run.finish()
    assert now.is_dir()
    assert not abandoned.exists()


def test_an_instance_in_two_shards_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, finish=False)
    run.write_shard(2, read_shard(run, 0))
    with pytest.raises(IpgraphError, match="in two shards"):
        run.finish()


def test_a_shards_environment_is_read_back(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    odd, even = {"device": "cpu", "threads": 1}, {"device": "cpu", "threads": 2}
    assert run.environments() == [(odd, [0, 2]), (even, [1])]
    assert make_run(tmp_path / "part", finish=False).environments() == [(odd, [0]), (even, [1])]


def test_files_that_shards_are_computed_from_are_checked(tmp_path: Path) -> None:
    fields = make_run(tmp_path).fields
    run = RunDirectory.create(
        tmp_path, {}, fields=fields, environment={}, shards=1, files={"a.txt": b"given"}
    )
    again = RunDirectory.create(
        tmp_path, {}, fields=fields, environment={}, shards=1, files={"a.txt": b"other"}
    )
    assert run.read_file("a.txt") == again.read_file("a.txt") == b"given"
    (run.path / "a.txt").write_bytes(b"changed")
    for name in ("a.txt", "b.txt"):
        with pytest.raises(
            IpgraphError, match=rf"{name} is missing or not what was written: delete run {run.id}"
        ):
            run.read_file(name)


def test_a_folder_in_a_runs_place_is_left_alone(tmp_path: Path) -> None:
    fields = make_run(tmp_path / "other").fields
    (tmp_path / run_id({}) / "notes").mkdir(parents=True)
    with pytest.raises(IpgraphError, match=f"{run_id({})} could not be written"):
        RunDirectory.create(tmp_path, {}, fields=fields, environment={}, shards=1)
    assert [path.name for path in (tmp_path / run_id({})).iterdir()] == ["notes"]
    assert {path.name for path in tmp_path.iterdir()} == {"other", run_id({})}


def test_folders_that_are_being_made_or_removed_are_not_runs(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    half = run.path.rename(tmp_path / f".{run.id}.0.tmp")
    assert list_runs(tmp_path) == []
    long_ago = time.time() - 3600
    os.utime(half, (long_ago, long_ago))
    make_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [run.id]


def create_and_read(root: Path, fields: dict[str, Any], barrier: Any, results: Any) -> None:
    """Create the same run as other processes at the same moment, round by round, and say what is there."""
    for round_ in range(ROUNDS):
        files = {"input.bin": os.urandom(1 << 16)}
        barrier.wait(60)
        run = RunDirectory.create(
            root / str(round_), {}, fields=fields, environment={"pid": os.getpid()}, shards=1, files=files
        )
        results.put(
            (round_, run.manifest["environment"]["pid"], sha256(run.read_file("input.bin")).hexdigest())
        )


def watch(root: Path, fields: dict[str, Any], barrier: Any, results: Any) -> None:
    """Open each run in the very moment in which its folder is there."""
    for round_ in range(ROUNDS):
        path = root / str(round_) / run_id({})
        barrier.wait(60)
        while not path.exists():
            time.sleep(0.0005)
        run = RunDirectory.open(path)
        assert run.fields == fields
        results.put(
            (round_, run.manifest["environment"]["pid"], sha256(run.read_file("input.bin")).hexdigest())
        )


def test_processes_that_create_the_same_run_at_once_all_have_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["test_runs"])
    barrier, results = context.Barrier(RACERS + 1), context.Queue()
    arguments = (tmp_path, make_run(tmp_path / "other").fields, barrier, results)
    processes = [
        context.Process(target=target, args=arguments, daemon=True)
        for target in (watch, *[create_and_read] * RACERS)
    ]
    for process in processes:
        process.start()
    seen = [results.get(timeout=120) for _ in range((RACERS + 1) * ROUNDS)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert len(set(seen)) == ROUNDS
    for round_ in range(ROUNDS):
        assert [path.name for path in (tmp_path / str(round_)).iterdir()] == [run_id({})]


def test_unknown_or_missing_fields_of_a_run_are_named(tmp_path: Path) -> None:
    fields = make_run(tmp_path, finish=False).manifest["run"] | {"colour": "red"}
    del fields["dataset"]
    with pytest.raises(IpgraphError, match="colour, dataset"):
        RunDirectory.create(tmp_path, {"other": 1}, fields=fields, environment={}, shards=1)


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    manifest = run.path / "shards/00000" / shards.MANIFEST
    manifest.write_text(
        manifest.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 1')
    )
    reads = f"and this ipgraph reads version {SCHEMA_VERSION}"
    again = rf"{reads}: extract the run again \(`ipgraph ingest dataset ...`\)"
    with pytest.raises(UsageError, match=f"shards/00000 has schema version 1, {again}"):
        run.missing()
    (run.path / "run.json").write_text(json.dumps(run.manifest | {"schema_version": 1}))
    with pytest.raises(UsageError, match=f"run.json has schema version 1, {again}"):
        RunDirectory.open(run.path)


def test_parquet_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    file = run.path / "shards/00000/steps.parquet"
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata({"ipgraph.schema_version": "7"}), file)
    with pytest.raises(UsageError, match=r"steps.parquet has schema version 7"):
        list(run.tables("steps"))


@pytest.mark.parametrize("content", [None, "no JSON", "[]", "{}"])
def test_what_is_no_run_directory_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(UsageError, match=str(tmp_path)):
        RunDirectory.open(tmp_path)


def test_runs_are_found_by_prefix_and_path(tmp_path: Path) -> None:
    one, other = make_run(tmp_path), make_run(tmp_path, seed=1)
    assert [run.id for run in list_runs(tmp_path)] == [other.id, one.id]
    assert list_runs(tmp_path / "nowhere") == []
    assert find_run(tmp_path, one.id[:5]).id == one.id
    assert find_run("nowhere", str(other.path)).id == other.id
    with pytest.raises(UsageError, match="several runs"):
        find_run(tmp_path, "r")
    with pytest.raises(UsageError, match=f"unknown run 'x'.*{one.id}"):
        find_run(tmp_path, "x")
    with pytest.raises(UsageError, match="it has no runs"):
        find_run(tmp_path / "nowhere", "x")
    one.delete()
    assert [run.id for run in list_runs(tmp_path)] == [other.id]


def test_a_run_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = make_run(tmp_path), make_run(tmp_path, seed=1)
    (bad.path / "run.json").write_text("{")
    assert [run.id for run in list_runs(tmp_path)] == [good.id]
    assert str(bad.path) in caplog.text


def test_measures_are_kept_and_replaced_by_id(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert run.measures() == []
    first = make_measures(run)
    run.write_measures(first)
    run.write_measures([replace(first[1], value=0.25)])
    assert run.measures() == [first[0], replace(first[1], value=0.25), first[2]]


def test_a_full_disk_leaves_the_finished_shards(tmp_path: Path) -> None:
    run = make_run(tmp_path, finish=False)
    shard = read_shard(run, 1)
    with file_size_limit(4000), pytest.raises(IpgraphError, match="finished shards are intact") as caught:
        run.write_shard(2, shard)
    assert os.strerror(errno.EFBIG) in str(caught.value)
    assert run.missing() == [2]
    assert read_shard(run, 1) == shard
    assert {path.name for path in (run.path / "shards").iterdir()} == {"00000", "00001"}
