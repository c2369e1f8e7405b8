"""Fixtures for every test file."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.browser import Page, browser
from support.fixtures import make_run
from support.neo4j_clients import SMALL_BATCH
from support.servers import neo4j_server, session_server

from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.server import patterns as neo4j_patterns
from ipgraph.graphstore.server import remove as neo4j_remove
from ipgraph.graphstore.store.protocol import Store

if TYPE_CHECKING:
    from support.evaluations import Evaluated

__all__ = ["neo4j_server", "session_server"]


@pytest.fixture(scope="session", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give programs that tests start, and kill, a folder of the suite's for their temporary files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for a test file's run directories."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(root: Path) -> RunDirectory:
    return make_run(root)


@pytest.fixture(scope="module")
def other(root: Path) -> RunDirectory:
    """Another run over the same instances."""
    return make_run(root, seed=1)


@pytest.fixture(scope="module")
def loaded(root: Path, run: RunDirectory) -> Path:
    """An embedded store that holds `run`, not to be changed."""
    with open_store(root / "loaded.db") as store:
        store.add([run])
    return root / "loaded.db"


@pytest.fixture
def path(loaded: Path, tmp_path: Path) -> Path:
    """An embedded store that holds `run`."""
    return Path(shutil.copy(loaded, tmp_path / "store.db"))


@pytest.fixture(scope="module")
def runs(root: Path, run: RunDirectory, other: RunDirectory) -> list[RunDirectory]:
    """`run`, one to compare it with, and the newest, of embedding patterns only."""
    return [run, other, make_run(root, method="attention", level="embedding")]


@pytest.fixture(scope="module")
def filled(runs: list[RunDirectory], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedded store that holds `runs`, not to be changed."""
    path = tmp_path_factory.mktemp("store") / "ipgraph.db"
    with open_store(path) as store:
        store.add(runs)
    return path


@pytest.fixture(scope="module")
def store(filled: Path) -> Iterator[Store]:
    """The store that holds `runs`, open to read."""
    with open_store(filled) as opened:
        yield opened


@pytest.fixture(params=["embedded", pytest.param("neo4j", marks=pytest.mark.xdist_group("neo4j"))])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is, of either kind."""
    if request.param == "neo4j":
        return str(request.getfixturevalue("neo4j_server").uri)
    return str(tmp_path / "store.db")


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load into Neo4j, and remove from it, in batches of few patterns."""
    monkeypatch.setattr(neo4j_patterns, "BATCH_PATTERNS", SMALL_BATCH)
    monkeypatch.setattr(neo4j_remove, "BATCH_PATTERNS", SMALL_BATCH)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> "Evaluated":
    """A run of a tiny model with its evaluation."""
    from support.evaluations import make_evaluated

    return make_evaluated(tmp_path_factory.mktemp("evaluated"))


@pytest.fixture(scope="module")
def window() -> Iterator[Page]:
    """The browser's window."""
    with browser() as opened:
        yield opened
