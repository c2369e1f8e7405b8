"""`check` finds what is wrong inside a store, and in what a run differs from its directory."""

import shutil
from pathlib import Path

import ladybug
import pytest
from fixtures import make_run

from ipgraph.graphstore.embedded import EmbeddedStore
from ipgraph.graphstore.runs import RunDirectory

MEMORY = {"buffer_pool_size": 1 << 28, "max_db_size": 1 << 30}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(root: Path) -> RunDirectory:
    return make_run(root)


@pytest.fixture(scope="module")
def loaded(root: Path, run: RunDirectory) -> Path:
    """A store that holds `run`, not to be changed."""
    with EmbeddedStore(root / "loaded.db") as store:
        store.add([run])
    return root / "loaded.db"


@pytest.fixture
def path(loaded: Path, tmp_path: Path) -> Path:
    """A store that holds `run`."""
    return Path(shutil.copy(loaded, tmp_path / "store.db"))


def test_check_finds_what_is_wrong_inside(path: Path) -> None:
    for cypher, found in (
        ("MATCH (:Pattern)-[t:THROUGH {step: 3}]->(:Node) DELETE t", "steps, and should have 2508"),
        ("MATCH (:Run)-[r:PRODUCED]->(:Pattern {level: 'embedding'}) DELETE r", "patterns by PRODUCED"),
        ("CREATE (:Instance {id: 'stranger'})", "1 belong to no run"),
        ("MATCH (a:Node)-[f:FLOWS_TO]->(b:Node {kind: 'skip'}) DELETE f", "edges, and should have"),
        ("MATCH (r:Run) SET r.state = 'loading'", "only half loaded"),
    ):
        with ladybug.Database(path, **MEMORY) as database:
            ladybug.Connection(database).execute(cypher)
        with EmbeddedStore(path) as store:
            assert any(found in problem.what for problem in store.check()), cypher


def test_check_compares_the_runs_record(path: Path, run: RunDirectory, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / run.id)
    copy = RunDirectory.open(tmp_path / run.id)
    copy.manifest["run"]["accuracy"] = 0.5
    with EmbeddedStore(path) as store:
        assert [problem.what for problem in store.check([copy])] == [
            "its record differs from the directory's in accuracy"
        ]
