"""Every output that README.md quotes, made again and compared; `python tests/test_readme.py` writes it anew.

A `console` block holds commands after `$ ` and what they print; a `csv` block is the file that the text
names last before it; a `python` block runs, and the `text` block after it is what it prints. All of it
happens in one folder, in the order of the README. Times may differ, numbers by rounding.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.cli_runs import call

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w.-]+\.csv)`")
NUMBER = re.compile(r"(?<![\w.@:/-])[-+]?\d[\d,]*(?:\.\d+)?(?![\w@:/])")
SECONDS = re.compile(r"\b\d+\.\d+ ?s\b( \([\d:]+\))?")
RELATIVE = 0.02
"""How far a count may be off: another processor rounds differently, and takes another of two equal ways."""


@dataclass(frozen=True)
class Quote:
    """A stretch of the README that a command prints: where it stands, and what it is now."""

    what: str
    start: int
    end: int
    quoted: str
    made: str


def quotes(text: str, folder: Path) -> Iterator[Quote]:
    """Do what the README says in a folder; yield each output that it quotes with what came out."""
    names: dict[str, object] = {}
    printed = ""
    for block in FENCE.finditer(text):
        kind, body, start = block[1], block[2], block.start(2)
        if kind == "csv":
            (folder / FILE.findall(text[: block.start()])[-1]).write_text(body)
        elif kind == "python":
            printed = run_python(body, folder, names)
        elif kind == "text":
            yield Quote("the Python above", start, block.end(2), body, printed)
        elif kind == "console":
            for command, at, output in commands(body):
                end = start + at + len(output)
                yield Quote(command, start + at, end, output, run_command(command, folder))


def commands(body: str) -> Iterator[tuple[str, int, str]]:
    """Yield the commands of a console block, where the output of each starts, and the output."""
    for found in re.finditer(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
        yield found[1], found.start(2), found[2]


def run_command(command: str, folder: Path) -> str:
    """Return what a command prints on stdout."""
    if command == "make demo":
        lines = subprocess.run(
            ["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\n")
        demo = [line for line in lines if line.startswith(".venv/bin/ipgraph")]
        return "".join(f"{line}\n{run_command(line.removeprefix('.venv/bin/'), folder)}" for line in demo)
    if command == "make test":
        return ""  # this test is part of what it runs
    program, *arguments = shlex.split(command)
    assert program == "ipgraph"
    done = call(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_python(code: str, folder: Path, names: dict[str, object]) -> str:
    """Run code in a folder; return what it prints."""
    out = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), names)  # noqa: S102
    return out.getvalue()


def same(quoted: str, made: str) -> bool:
    """Tell whether two outputs are the same but for times, and numbers but for rounding."""
    quoted, made = (SECONDS.sub("SECONDS", text.strip()) for text in (quoted, made))
    shapes = [re.sub(r"[─ ]+", " ", NUMBER.sub("NUMBER", text)) for text in (quoted, made)]
    pairs = zip(NUMBER.findall(quoted), NUMBER.findall(made), strict=False)
    return shapes[0] == shapes[1] and all(close(first, second) for first, second in pairs)


def close(first: str, second: str) -> bool:
    """Tell whether two numbers differ by at most two units of the last digit printed, or by `RELATIVE`."""
    one, other = (float(text.replace(",", "")) for text in (first, second))
    unit = 10.0 ** -len(first.partition(".")[2])
    return abs(one - other) <= max(2.0001 * unit, RELATIVE * abs(one))


def test_every_quoted_output_is_what_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IPGRAPH_STORE", raising=False)
    found = list(quotes(README.read_text(), tmp_path))
    assert {"make demo", "make test"} <= {quote.what for quote in found}
    stale = [quote for quote in found if not same(quote.quoted, quote.made)]
    report = "\n".join(f"--- {q.what}: README\n{q.quoted}--- now\n{q.made}" for q in stale)
    assert not stale, f"{report}\nrun: python tests/test_readme.py"


def test_the_first_commands_are_make_demo_and_make_test() -> None:
    text = README.read_text()
    first = [command for block in FENCE.finditer(text) for command, _, _ in commands(block[2])][:2]
    assert first == ["make demo", "make test"]
    paragraph = text.split("\n\n")[1]
    assert "Neo4j" in paragraph


def test_links_lead_somewhere() -> None:
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", README.read_text()) if "://" not in t]
    assert targets
    assert [t for t in targets if not (ROOT / t.partition("#")[0]).exists()] == []


@pytest.mark.parametrize(
    ("quoted", "made", "alike"),
    [
        ("time 1.5 s\nlayer   share", "time 12.9 s\nlayer    share", True),
        ("share 0.719", "share 0.720", True),
        ("share 0.719", "share 0.759", False),
        ("patterns 1,000", "patterns 1,010", True),
        ("patterns 1,000", "patterns 1,100", False),
        ("run rfa68d76dd27e", "run rfa68d76dd27f", False),
        ("sva-obj:0497fae866fa", "sva-obj:0517c4c2e1e7", False),
        ("e01.--@0002 s02.--@0002", "e01.--@0002 s02.--@0003", False),
        ("2 rows", "2 rows more", False),
        ("1 2", "1", False),
    ],
)
def test_what_counts_as_the_same_output(quoted: str, made: str, alike: bool) -> None:
    assert same(quoted, made) is alike


def write() -> None:
    """Put what comes out now into the README."""
    text = README.read_text()
    os.environ.pop("IPGRAPH_STORE", None)
    with tempfile.TemporaryDirectory() as folder:
        for quote in reversed(list(quotes(text, Path(folder)))):
            text = text[: quote.start] + quote.made + text[quote.end :]
    README.write_text(text)


if __name__ == "__main__":
    write()
