"""What some tests need from outside the project, found by environment variables; else they skip and say how.

A need named in IPGRAPH_REQUIRE (comma-separated) must be met: where it is not, the test fails.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shared(*parts: str) -> Path:
    """Return a path inside the folder of models and data sets that IPGRAPH_SHARED names."""
    folder = _path("IPGRAPH_SHARED")
    if folder is None:
        missing("shared", "set IPGRAPH_SHARED to the folder of the models and data sets")
    path = folder.joinpath(*parts)
    if not path.exists():
        missing("shared", f"IPGRAPH_SHARED holds no {'/'.join(parts) or 'such folder'}: {folder}")
    return path


def smollm2() -> Path:
    """Return the folder of SmolLM2-135M that IPGRAPH_SMOLLM2 names."""
    folder = _path("IPGRAPH_SMOLLM2")
    if folder is None:
        script = "`python smollm2.py FOLDER`, a script beside the shared models"
        missing("smollm2", f"set IPGRAPH_SMOLLM2 to the folder that is written by {script}")
    if not (folder / "config.json").is_file():
        missing("smollm2", f"IPGRAPH_SMOLLM2 holds no model: {folder}")
    return folder


def neo4j_launcher() -> Path:
    """Return the folder of the scripts `neo4j` and `neo4j-admin` that IPGRAPH_NEO4J_LAUNCHER names."""
    folder = _path("IPGRAPH_NEO4J_LAUNCHER")
    if folder is None:
        missing("neo4j", "set IPGRAPH_NEO4J_LAUNCHER to the folder of the scripts `neo4j` and `neo4j-admin`")
    if not (folder / "neo4j").is_file():
        missing("neo4j", f"IPGRAPH_NEO4J_LAUNCHER holds no script `neo4j`: {folder}")
    if shutil.which("java") is None:
        missing("neo4j", "Neo4j needs Java 17 or 21 on the PATH")
    return folder


def missing(need: str, how: str) -> NoReturn:
    """Skip the running test, or fail it where IPGRAPH_REQUIRE names the need."""
    if need in os.environ.get("IPGRAPH_REQUIRE", "").replace(" ", "").split(","):
        pytest.fail(f"IPGRAPH_REQUIRE names {need}, but: {how}")
    pytest.skip(f"needs {need}: {how}")


def _path(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return (ROOT / value).resolve() if value else None
