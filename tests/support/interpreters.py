"""What Python code imports in a fresh interpreter."""

import json
import subprocess
import sys
from pathlib import Path

HEAVY = {"torch", "transformers", "pyarrow", "networkx", "ladybug", "neo4j", "numpy", "matplotlib", "pandas"}
REPORT = """
import atexit, json, sys
atexit.register(lambda: print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules}))))
"""
COMMAND_LINE = """
from ipgraph.cli.app import main
sys.argv = ["ipgraph", *sys.argv[1:]]
main()
"""


def imported(*arguments: str, cwd: Path) -> set[str]:
    """Run the command line in a fresh interpreter; return the names of the packages that it imported."""
    return imported_by(COMMAND_LINE, *arguments, cwd=cwd)


def imported_by(code: str, *arguments: str, cwd: Path) -> set[str]:
    """Run code in a fresh interpreter; return the names of the packages that it imported."""
    program = [sys.executable, "-c", REPORT + code, *arguments]
    done = subprocess.run(program, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.split("\n")[-2]))
