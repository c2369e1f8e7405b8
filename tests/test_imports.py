"""What starting up imports: nothing heavy for `--help`, no torch to ask the store."""

from pathlib import Path

import pytest
from support.cli_runs import Folder, folder, shared_folder
from support.interpreters import HEAVY, imported

__all__ = ["folder", "shared_folder"]


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("ingest", "dataset", "--help")])
def test_help_and_version_import_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    names = imported(*arguments, cwd=tmp_path)
    assert "typer" in names
    assert names & HEAVY == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ("query", "run", "skip-share"),
        ("query", "list"),
        ("show", "sva-obj-0"),
        ("run", "list"),
        ("dataset", "show", "sva-obj"),
        ("store", "info"),
    ],
)
def test_what_only_reads_imports_no_torch(arguments: tuple[str, ...], folder: Folder) -> None:
    assert imported(*arguments, cwd=folder.path) & {"torch", "transformers", "matplotlib"} == set()
