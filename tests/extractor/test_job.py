"""A run directory holds all that its shards are computed from: any process, any engine gives the same."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from support.extractions import interrupt, many, run_of
from support.tiny_models import save_classifier, save_masked_lm

from ipgraph.extractor.datasets import load
from ipgraph.extractor.extraction import selection
from ipgraph.extractor.extraction.compute import Worker, compute
from ipgraph.extractor.extraction.engines.engine import run_shards
from ipgraph.extractor.extraction.job import Job, Sentences
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.models.encoding import encode
from ipgraph.extractor.models.loading import load_model
from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.runs.content import content
from ipgraph.graphstore.runs.directory import RunDirectory

WORKER = """
import sys
from ipgraph.extractor.extraction.compute import Worker
from ipgraph.extractor.extraction.engines.engine import run_shards
from ipgraph.extractor.extraction.job import Job
from ipgraph.graphstore.runs.directory import RunDirectory
import torch

torch.set_num_threads(1)
run = RunDirectory.open(sys.argv[1])
job = Job.read(run)
run_shards(run, job, Worker.load(job, device="cpu"), [int(shard) for shard in sys.argv[2:]])
"""
OPTIONS: dict[str, Any] = {"batch_size": 7, "device": "cpu"}


@pytest.fixture(scope="module")
def masked_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_masked_lm(tmp_path_factory.mktemp("masked-lm"))


@pytest.fixture(scope="module")
def whole(masked_lm: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of three shards, the last one of 40 sentences."""
    return run_of(masked_lm, many(240), tmp_path_factory.mktemp("whole"), **OPTIONS)


def tables(run: RunDirectory, shard: int) -> dict[str, str]:
    """The digests of a shard's files."""
    manifest = json.loads((run.path / f"shards/{shard:05d}/manifest.json").read_text())
    return {name: facts["sha256"] for name, facts in manifest["files"].items()}


def test_an_instance_keeps_the_label_of_its_dataset(tmp_path: Path) -> None:
    """Whatever class that is to the model: runs of several models share their instances."""
    model = save_classifier(tmp_path / "model", id2label={0: "good", 1: "bad"})
    data = load([{"text": "the key is here", "label": "bad"}, {"text": "the keys are here", "label": 0}])
    run = run_of(model, data, tmp_path / "runs", allow_unk=True, **OPTIONS)
    assert list(run.records("instances")) == [example.instance for example in data.examples]
    assert [sentence.label for sentence in Sentences(run)] == [1, 0]
    assert [prediction.label for prediction in run.records("predictions")] == [1, 0]


def test_a_fresh_process_computes_the_same_shard_from_the_run_directory(
    masked_lm: Path, tmp_path: Path, whole: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(masked_lm.parent)
    name = Path(masked_lm.name)  # as the user gave it, relative to where the user was
    with pytest.raises(KeyboardInterrupt):
        run_of(name, many(240), tmp_path / "runs", on_progress=interrupt, **OPTIONS)
    (folder,) = (tmp_path / "runs").iterdir()
    assert RunDirectory.open(folder).missing() == [1, 2]
    command = [sys.executable, "-c", WORKER, str(folder), "2", "1"]
    subprocess.run(command, check=True, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"})
    run = RunDirectory.open(folder)
    assert run.missing() == []
    assert [tables(run, shard) for shard in range(3)] == [tables(whole, shard) for shard in range(3)]
    assert sorted(shard for _, shards in run.environments() for shard in shards) == [0, 1, 2]
    assert run_of(masked_lm, many(240), tmp_path / "runs", on_progress=interrupt, **OPTIONS).is_complete


def test_a_job_and_its_sentences_are_read_back(masked_lm: Path, whole: RunDirectory) -> None:
    model = load_model(masked_lm)
    job = Job.read(whole)
    assert job == Job.of(whole.id, model, Options(n_steps=5, quadrature="uniform"), 7)
    assert Job(**json.loads(json.dumps(asdict(job))) | {"options": job.options}) == job
    encoded, _ = encode(model, many(240).examples)
    sentences = Sentences(whole)
    assert len(sentences) == 240
    assert [sentences.size(shard) for shard in range(3)] == [100, 100, 40]
    assert [sentence for shard in range(3) for sentence in sentences.shard(shard)] == encoded


def test_a_shards_records_are_in_the_order_of_its_sentences_whatever_the_batches(
    masked_lm: Path, whole: RunDirectory
) -> None:
    job = Job.read(whole)
    worker = Worker.of(job, load_model(masked_lm, device="cpu"))
    sentences = Sentences(whole).shard(2)[::-1]
    done: list[int] = []
    shard = compute(job, worker, sentences, done.append)
    assert [instance.id for instance in shard.instances] == [s.instance.id for s in sentences]
    assert [prediction.instance for prediction in shard.predictions] == [s.instance.id for s in sentences]
    assert done == [7, 7, 7, 7, 7, 5]
    stored = {row.id: row for row in whole.records("patterns")}
    assert all(row.path == stored[row.id].path for row in shard.patterns)


@dataclass(frozen=True)
class Backwards:
    """An engine that has only what it is given, and begins at the end."""

    def run(
        self, run: RunDirectory, job: Job, shards: Sequence[int], on_sentences: Callable[[int], None]
    ) -> None:
        run_shards(run, job, Worker.load(job, device="cpu"), shards[::-1], on_sentences)


def test_sentences_are_tokenised_once_and_any_engine_gives_the_same_run(
    masked_lm: Path, tmp_path: Path, whole: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(model: Any, examples: Any, **options: Any) -> Any:
        calls.append(len(examples))
        return encode(model, examples, **options)

    monkeypatch.setattr(selection, "encode", counted)
    done: list[int] = []
    run = run_of(
        masked_lm,
        many(240),
        tmp_path,
        engine=Backwards(),
        on_progress=lambda count, _: done.append(count),
        **OPTIONS,
    )
    assert calls == [240]
    assert done == sorted(done)
    assert (done[0], done[6], done[-1]) == (0, 40, 240)
    assert content(run).differences(content(whole)) == []
    assert run.environments()[0][0]["batch_size"] == 7
    assert run.environments()[0][0].keys() == whole.environments()[0][0].keys()
    assert run.manifest["environment"].items() >= run.environments()[0][0].items()


def test_a_model_that_has_changed_is_refused(masked_lm: Path, tmp_path: Path) -> None:
    job = Job.of("r0", load_model(masked_lm), Options(), None)
    moved = save_masked_lm(tmp_path / "model")
    other = Job(**{**vars(job), "model": str(moved), "digest": "0" * 64})
    with pytest.raises(UsageError, match=rf"model '{moved}' has changed: .* and 000000000000 is needed"):
        Worker.load(other, device="cpu")


def test_damaged_sentences_are_named(masked_lm: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_of(masked_lm, many(180), tmp_path, on_progress=interrupt)
    (folder,) = tmp_path.iterdir()
    (folder / "encoded.parquet").write_bytes(b"")
    with pytest.raises(IpgraphError, match=r"encoded\.parquet is missing or not what was written: delete"):
        run_of(masked_lm, many(180), tmp_path)
