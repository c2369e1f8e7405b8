"""A model of the Hugging Face hub, from a cache laid out as the hub's own client lays it out; no network."""

from pathlib import Path

import pytest
from support.cli_runs import call
from support.dataset_files import jsonl, write
from support.tiny_models import save_masked_lm

from ipgraph.extractor.models.loading import load_model
from ipgraph.graphstore.runs.finding import find_run

COMMIT, OLDER = "3f" * 20, "a7" * 20
OFFLINE = {"HF_HUB_OFFLINE": "1"}
ROW = {"text": "the farmer likes [MASK] .", "correct": "old", "wrong": "tall"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hub's cache with model acme/tiny: its main branch, and an older commit tagged `v1`."""
    home = tmp_path_factory.mktemp("hub")
    repository = home / "hub" / "models--acme--tiny"
    for commit, name, layers in ((COMMIT, "main", 2), (OLDER, "v1", 1)):
        (repository / "refs").mkdir(parents=True, exist_ok=True)
        (repository / "refs" / name).write_text(commit)
        (repository / "snapshots" / commit).mkdir(parents=True)
        save_masked_lm(repository / "snapshots" / commit, num_hidden_layers=layers)
    return home


@pytest.mark.parametrize(
    ("options", "commit", "layers"),
    [((), COMMIT, 2), (("--revision", "v1"), OLDER, 1), (("--revision", OLDER), OLDER, 1)],
)
def test_a_hub_model_is_known_by_its_commit(
    home: Path, tmp_path: Path, options: tuple[str, ...], commit: str, layers: int
) -> None:
    write(tmp_path, jsonl(ROW))
    env = OFFLINE | {"HF_HOME": str(home)}
    asked = ("set.jsonl", "--model", "acme/tiny", "--n-steps", "4", *options)
    done = call("extract", *asked, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    run = find_run(tmp_path / "runs", "r")
    assert run.manifest["settings"]["model"] == commit
    assert (run.run.model, run.run.model_name) == (f"tiny-{commit[:8]}", "acme/tiny")
    assert run.run.layers == layers
    # The model is loaded again at the run's own commit, whatever its branches stand for by then.
    done = call("evaluate", run.id, "--draws", "2", "--resamples", "2", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr


def test_the_same_files_in_a_folder_give_the_same_numbers(home: Path, tmp_path: Path) -> None:
    write(tmp_path, jsonl(ROW))
    folder = home / "hub" / "models--acme--tiny" / "snapshots" / COMMIT
    for name, runs in (("acme/tiny", "hub"), (str(folder), "folder")):
        asked = ("set.jsonl", "--model", name, "--n-steps", "4", "--runs-dir", runs)
        done = call("extract", *asked, cwd=tmp_path, env=OFFLINE | {"HF_HOME": str(home)})
        assert done.returncode == 0, done.stderr
    hub, local = (find_run(tmp_path / runs, "r") for runs in ("hub", "folder"))
    assert hub.id != local.id
    assert load_model(folder).digest == local.manifest["settings"]["model"]
    paths = [[(p.route, p.influence) for p in run.records("patterns")] for run in (hub, local)]
    assert paths[0] == paths[1]


def test_a_revision_that_is_not_there_is_an_error_of_one_line(home: Path, tmp_path: Path) -> None:
    write(tmp_path, jsonl(ROW))
    asked = ("set.jsonl", "--model", "acme/tiny", "--revision", "v9")
    done = call("extract", *asked, cwd=tmp_path, env=OFFLINE | {"HF_HOME": str(home)})
    assert done.returncode == 2
    assert done.stderr.startswith("error: model 'acme/tiny' is not a demo model")
    assert done.stderr.count("\n") == 1
