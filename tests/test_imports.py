"""What starting up imports: nothing heavy for `--help`, no torch to ask the store."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli_runs import Folder, folder, shared_folder

__all__ = ["folder", "shared_folder"]
HEAVY = {"torch", "transformers", "pyarrow", "networkx", "ladybug", "neo4j", "numpy", "matplotlib", "pandas"}
PROGRAM = """
import atexit, json, sys
atexit.register(lambda: print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules}))))
from ipgraph.cli.app import main
sys.argv = ["ipgraph", *sys.argv[1:]]
main()
"""


def imported(*arguments: str, cwd: Path) -> set[str]:
    """Run the command line in a fresh interpreter; return the names of the packages that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.split("\n")[-2]))


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
