"""`ipgraph --help` against an empty typer app, each in a fresh interpreter.

python benchmarks/startup.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from measure import medians_in_turn, print_table

EMPTY = """\
import typer
app = typer.Typer()
@app.callback()
def main() -> None:
    "An empty app."
@app.command()
def nothing() -> None:
    "Does nothing."
app()
"""


def main() -> None:
    """Time both and print the ratio."""
    command = Path(sys.executable).parent / "ipgraph"
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)
        ours, theirs = medians_in_turn(
            lambda: _run(str(command), "--help"), lambda: _run(sys.executable, str(empty), "--help")
        )
    rows = [
        ("an empty typer app, --help", f"{theirs:.3f} s", ""),
        ("ipgraph --help", f"{ours:.3f} s", ""),
        ("ratio", f"{ours / theirs:.2f}", "at most 1.5"),
    ]
    print_table("Start-up", rows)


def _run(*arguments: str) -> None:
    subprocess.run(arguments, check=True, capture_output=True)


if __name__ == "__main__":
    main()
