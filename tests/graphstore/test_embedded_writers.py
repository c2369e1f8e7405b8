"""The embedded store beside other processes that write to the same file."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock
from support.fixtures import make_run

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.embedded import file as ladybug_file
from ipgraph.graphstore.embedded.store import EmbeddedStore


@contextmanager
def elsewhere(script: str, path: Path) -> Iterator[None]:
    """Run a script in another process, which says when it is ready."""
    command = [sys.executable, "-c", script + "\nprint('ready', flush=True)\ninput()", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            process.kill()


WRITER = (
    "import ladybug, sys\n"
    "database = ladybug.Database(sys.argv[1], buffer_pool_size=1 << 28, max_db_size=1 << 30)\n"
    "connection = ladybug.Connection(database)\n"
)


def test_a_file_open_for_writing_elsewhere_is_left_alone(path: Path, root: Path) -> None:
    new = make_run(root, seed=1)
    with elsewhere(WRITER, path):
        with EmbeddedStore(path) as store, pytest.raises(IpgraphError, match="open for writing elsewhere"):
            store.add([new])
        assert not [file for file in path.parent.iterdir() if file.name.endswith(".building")]
    with EmbeddedStore(path) as store:
        assert store.add([new]) == 1


def test_an_unfinished_log_of_another_program_is_not_lost(path: Path, root: Path) -> None:
    with elsewhere(WRITER + "connection.execute(\"CREATE (:Measure {id: 'theirs'})\")", path):
        pass
    with EmbeddedStore(path) as store, pytest.raises(IpgraphError, match=r"store\.db\.wal"):
        store.add([make_run(root, seed=1)])


def test_our_lock_is_waited_for(
    path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ladybug_file, "WAIT_SECONDS", 0.1)
    with (
        caplog.at_level(logging.WARNING),
        FileLock(f"{path}.writing"),
        EmbeddedStore(path) as store,
        pytest.raises(IpgraphError, match="open for writing elsewhere"),
    ):
        store.add([make_run(root, seed=1)])
    assert "waiting for it" in caplog.text
