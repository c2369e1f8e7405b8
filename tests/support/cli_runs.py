"""What the tests of the command line share: a folder with two synthetic runs in a store, and calls."""

import errno
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ipgraph.cli.app import app
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from support.fixtures import make_run

COMMAND = Path(sys.executable).parent / "ipgraph"


@dataclass(frozen=True)
class Folder:
    """A working folder with `runs/` and `ipgraph.db`."""

    path: Path
    runs: tuple[RunDirectory, ...]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder that tests only read."""
    return make_folder(tmp_path_factory.mktemp("cli"))


@pytest.fixture
def folder(shared_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """The shared folder as the working one."""
    monkeypatch.chdir(shared_folder.path)
    monkeypatch.delenv("IPGRAPH_STORE", raising=False)
    return shared_folder


@pytest.fixture
def own(shared_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A copy of the shared folder that a test may change, as the working one."""
    shutil.copytree(shared_folder.path, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPGRAPH_STORE", raising=False)
    return Folder(
        tmp_path, tuple(RunDirectory.open(tmp_path / "runs" / run.id) for run in shared_folder.runs)
    )


def make_folder(path: Path) -> Folder:
    """Put two runs of the same instances into a new store."""
    runs = (make_run(path / "runs"), make_run(path / "runs", seed=1))
    with open_store(path / "ipgraph.db") as store:
        store.add(runs)
    return Folder(path, runs)


def invoke(*arguments: str, code: int = 0, env: Mapping[str, str] | None = None) -> Result:
    """Call the command line in this process; its exit code must be `code`, and no other error may escape."""
    result = CliRunner().invoke(app, list(arguments), env=env, prog_name="ipgraph")
    assert result.exit_code == code, f"{result.output}{result.exception!r}"
    assert "Traceback" not in result.output
    return result


def tables(*arguments: str) -> list[dict[str, Any]]:
    """Return the tables that a command prints as JSON."""
    shown = json.loads(invoke(*arguments, "--format", "json").stdout)
    assert list(shown) == ["tables"]
    return list(shown["tables"])


def rows(*arguments: str) -> list[dict[str, Any]]:
    """Return the rows of the only table that a command prints as JSON."""
    (table,) = tables(*arguments)
    return list(table["rows"])


def call(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Call the installed command in a process of its own."""
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=cwd,
        env=environment() | dict(env or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def on_terminal(*arguments: str, cwd: Path, env: Mapping[str, str], columns: int = 100) -> str:
    """Run the command with stdout and stderr on a terminal; return what it wrote there."""
    ours, theirs = pty.openpty()
    settings = environment() | {"TERM": "xterm-256color", "COLUMNS": str(columns), **env}
    process = subprocess.Popen([COMMAND, *arguments], cwd=cwd, env=settings, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while block := os.read(ours, 65536):
            written += block
    except OSError as error:
        if error.errno != errno.EIO:  # the other end is closed
            raise
    finally:
        os.close(ours)
        process.wait()
    return written.decode()


def environment() -> dict[str, str]:
    """Return this process's environment without what changes the output; torch gets one thread."""
    changing = ("IPGRAPH_STORE", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
    return {k: v for k, v in os.environ.items() if k not in changing} | {"OMP_NUM_THREADS": "1"}
