"""extract() asked again: a run that was interrupted goes on, and one that is there is returned."""

import shutil
from pathlib import Path

import pytest
from support.extractions import interrupt, many, run_of, sentences
from support.tiny_models import save_masked_lm

from ipgraph.cli.summary import print_summary
from ipgraph.extractor.evaluation.instances import read
from ipgraph.extractor.models.loading import load_model
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import SHARD_INSTANCES
from ipgraph.graphstore.store.check import check


@pytest.fixture(scope="module")
def masked_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_masked_lm(tmp_path_factory.mktemp("masked-lm"))


def test_a_killed_run_resumes_from_its_finished_shards(masked_lm: Path, tmp_path: Path) -> None:
    reference = run_of(masked_lm, many(240), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_of(masked_lm, many(240), tmp_path / "cut", on_progress=interrupt)
    resumed: list[int] = []
    run = run_of(masked_lm, many(240), tmp_path / "cut", on_progress=lambda done, _: resumed.append(done))
    assert run.is_complete
    assert resumed[0] == SHARD_INSTANCES
    assert [p.id for p in run.records("patterns")] == [p.id for p in reference.records("patterns")]


def test_a_run_that_is_resumed_keeps_the_models_name_in_its_nodes(masked_lm: Path, tmp_path: Path) -> None:
    """On a cluster the same weights may lie in folders of different names."""
    moved = Path(shutil.copytree(masked_lm, tmp_path / "moved"))
    with pytest.raises(KeyboardInterrupt):
        run_of(masked_lm, many(180), tmp_path / "runs", on_progress=interrupt)
    run = run_of(moved, many(180), tmp_path / "runs")
    assert run.run.model.startswith(masked_lm.name)
    assert {node.rpartition("/")[0] for p in run.records("patterns") for node in p.path} == {run.run.model}
    with open_store(tmp_path / "store.db") as store:
        store.add([run])
        assert check(store, [run]) == []
    assert len(read(run, load_model(moved))) == run.run.instances


def test_a_row_that_cannot_be_used_is_reported_by_a_run_that_was_there_already(
    masked_lm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, worse = "the farmer [MASK] old .", "the zebra [MASK] old .", "the panda [MASK] old ."
    requests = [
        ((good, bad), "1 row (see ipgraph run show "),
        ((good, worse), "1 row\n"),
        ((good,), "0 rows"),
    ]
    for rows, said in requests:
        run = run_of(masked_lm, sentences(*rows), tmp_path)
        assert (run.run.skipped, len(run.manifest["skipped"])) == (1, len(rows) - 1)
        print_summary(run, "", "", "")
        assert f"skipped       {said}" in capsys.readouterr().out
    assert len(list(tmp_path.iterdir())) == 1
