"""What commands print on a terminal of 80 columns, in a pipe, under another locale, and into files."""

import csv
import json
import re
from io import StringIO
from pathlib import Path

import pytest
from support.cli_runs import Folder, call, folder, invoke, on_terminal, own, shared_folder

from ipgraph.graphstore.common.files import written_beside

__all__ = ["folder", "own", "shared_folder"]
TABLES = (
    ("run", "list"),
    ("store", "info"),
    ("dataset", "list"),
    ("query", "list"),
    ("query", "run", "instances"),
    ("report", "overview"),
    ("report", "quality"),
    ("report", "heads"),
)
ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "ascii"}


@pytest.mark.parametrize("command", TABLES, ids=" ".join)
def test_a_terminal_of_80_columns_breaks_no_word_and_names_what_is_not_shown(
    folder: Folder, command: tuple[str, ...]
) -> None:
    shown = on_terminal(*command, cwd=folder.path, env={"NO_COLOR": "1"}, columns=80)
    plain = re.sub(r"\x1b\[\d*m", "", shown)
    assert max(map(len, plain.splitlines())) <= 80
    said = " ".join(plain.split())
    words = set(said.split())
    for table in json.loads(invoke(*command, "--format", "json").stdout)["tables"]:
        hidden = said.split("not shown: ")[1:]
        cells = [str(value) for row in table["rows"] for value in row.values() if isinstance(value, str)]
        missing = {word for cell in cells for word in cell.split()} - words
        assert hidden or missing == set()
    piped = call(*command, cwd=folder.path).stdout
    assert "not shown" not in piped


@pytest.mark.parametrize("output", ["json", "csv"])
def test_json_and_csv_are_utf8_whatever_the_locale(folder: Folder, output: str) -> None:
    command = ("query", "cypher", "RETURN 'Πᵉ → ü' AS text", "--format", output)
    shown = call(*command, cwd=folder.path, env=ASCII).stdout
    text = (
        json.loads(shown)["tables"][0]["rows"] if output == "json" else list(csv.DictReader(StringIO(shown)))
    )
    assert text == [{"text": "Πᵉ → ü"}]


def test_rows_that_are_left_out_are_said(folder: Folder) -> None:
    command = ("query", "run", "instances", "--max-rows", "3")
    assert "the first 3 rows; raise --max-rows for more" in invoke(*command).stdout
    as_csv = invoke(*command, "--format", "csv")
    assert (len(as_csv.stdout.splitlines()), "first 3 rows" in as_csv.stderr) == (4, True)
    assert "a timeout" not in invoke(*command, "--timeout", "30").stdout


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "figure.svg"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), written_beside(path) as partial:
        partial.write_text(f"half {1 / 0}")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])
    with written_beside(path) as partial:
        partial.write_text("new")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("new", [path])


def test_a_drawing_says_that_it_took_the_newest_run(folder: Folder, tmp_path: Path) -> None:
    for command in (("draw", "zzz"), ("plot", "heads", "--role", "zzz")):
        error = invoke(*command, "--output", str(tmp_path / "x.svg"), code=2).stderr
        assert "(that is the newest run; `ipgraph run list` lists the others)" in error


def test_what_is_not_known_or_not_fixed_is_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("films.csv").write_text("text\nthe plot of this film is not bad\n")
    shown = json.loads(invoke("dataset", "show", "films.csv", "--format", "json").stdout)["tables"]
    assert [row["expected"] for row in shown[1]["rows"]] == [None]
    invoke("extract", "films.csv", "--model", "demo-sentiment", "--level", "embedding")
    (path,) = Path("runs").iterdir()
    facts = json.loads(invoke("run", "show", path.name, "--format", "json").stdout)["tables"][0]["rows"]
    assert {row["what"]: row["value"] for row in facts}["n_steps"] == "auto"
