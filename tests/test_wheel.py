"""The wheel, installed into an empty environment without the extras: the demo runs there."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, from a copy of the sources so that nothing is left behind or found there."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "sources", ignore=built_here)
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(folder / "sources"), python=sys.executable)
    (built,) = folder.glob("ipgraph-*.whl")
    return built


def built_here(folder: str, names: list[str]) -> set[str]:
    """Return the names in a folder that are not sources, such as caches and what the demo made."""
    outputs = {"build", "runs"} if Path(folder) == ROOT else set()
    return outputs | shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "ipgraph.db*")(folder, names)


def pip(*arguments: str, python: str | Path) -> None:
    """Call pip of an environment with the pinned versions."""
    environment = {"PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    run(python, "-m", "pip", "--quiet", *arguments, env=environment)


def run(*command: str | Path, env: dict[str, str], cwd: Path | None = None) -> str:
    """Run a command, which must succeed; return what it printed."""
    inherited = {
        k: v for k, v in os.environ.items() if not k.startswith(("IPGRAPH_", "PYTHON", "PIP_CONSTRAINT"))
    }
    done = subprocess.run(command, env=inherited | env, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_weights_templates_and_one_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"ipgraph"}
    queries = {path.name for path in (ROOT / "queries" / "templates").glob("*.cypher")}
    assert {
        Path(n).name for n in names if n.startswith("ipgraph/queries/") and n.endswith(".cypher")
    } == queries
    for model in ("agreement", "sentiment", "gpt2", "modernbert"):
        for file in (ROOT / "extractor" / "demo" / model).iterdir():
            assert f"ipgraph/extractor/demo/{model}/{file.name}" in names
    for room in ("extractor", "graphstore", "queries", "cli"):
        for file in (ROOT / room).rglob("*.py"):
            assert f"ipgraph/{file.relative_to(ROOT)}" in names
        assert f"ipgraph/{room}/py.typed" in names


def test_the_demo_runs_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"), env={})
    pip("install", "--no-compile", str(wheel), python=python)
    demo = run("make", "-n", "demo", "-C", str(ROOT), env={}).split("\n")
    commands = [line.split() for line in demo if line.startswith(".venv/bin/ipgraph ")]
    assert len(commands) == 3
    work = tmp_path / "work"
    work.mkdir()
    printed = [
        run(python.with_name("ipgraph"), *command[1:], env={"OMP_NUM_THREADS": "1"}, cwd=work)
        for command in commands
    ]
    assert "sentences     100, " in printed[0]
    assert all(title in printed[1] for title in ("Model accuracy", "Findings", "Heads ranked"))
    assert len(printed[2].strip().split("\n")) == 3 + 5
    where = run(python, "-c", "import ipgraph.cli as c; print(c.__file__)", env={}, cwd=work)
    assert Path(where.strip()).is_relative_to(tmp_path)
