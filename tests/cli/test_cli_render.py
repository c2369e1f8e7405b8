"""What tables look like on stdout: exact in JSON and CSV, whole in a pipe, wrapped on a terminal."""

import csv
import json
import math
from io import StringIO

import pytest
from rich.console import Console

from ipgraph.cli import render as rendering
from ipgraph.cli.render import render, rows_table, to_csv, to_json, to_markdown
from ipgraph.graphstore.common.bootstrap import Interval
from ipgraph.queries.reports.tables import Table

VALUES = [0.1 + 0.2, 1e-17, 123456789.123456789, -0.0, 2.0]
COLUMNS = ["layer", "share", "word", "right", "roles", "margin"]
ROWS: list[list[object]] = [
    [1, 0.30000000000000004, 'a "quoted", b', True, ["cls", "x y"], None],
    [2, 1e-3, "[bold]the[/bold] | pipe", False, [], 2.5],
]


@pytest.fixture
def table() -> Table:
    return rows_table(COLUMNS, ROWS, "A title", "A note.")


def test_json_gives_every_value_back(table: Table) -> None:
    assert [list(row.values()) for row in json.loads(to_json([table]))] == ROWS
    floats = json.loads(to_json([rows_table(["x"], [[value] for value in VALUES])]))
    assert [repr(row["x"]) for row in floats] == [repr(value) for value in VALUES]


def test_json_has_null_for_what_json_cannot_say() -> None:
    rows = json.loads(to_json([rows_table(["x"], [[math.nan], [math.inf], [[math.nan, 1.0]]])]))
    assert [row["x"] for row in rows] == [None, None, [None, 1.0]]


def test_json_of_several_tables_keeps_them_apart(table: Table) -> None:
    first, second = json.loads(to_json([table, table]))
    assert first == second
    assert (first["title"], first["note"], len(first["rows"])) == ("A title", "A note.", 2)


def test_an_interval_is_exact_for_programs_and_short_for_readers() -> None:
    table = rows_table(["figure"], [[Interval(0.123456789, math.nan, 2.0)]])
    exact = {"value": 0.123456789, "low": None, "high": 2.0}
    assert json.loads(to_json([table])) == [{"figure": exact}]
    assert json.loads(next(csv.DictReader(StringIO(to_csv(table))))["figure"]) == exact
    assert "| 0.12 [nan, 2.00] |" in to_markdown(table)


def test_csv_gives_every_value_back(table: Table) -> None:
    header, first, second = csv.reader(StringIO(to_csv(table)))
    assert header == COLUMNS
    assert first == ["1", "0.30000000000000004", 'a "quoted", b', "true", '["cls", "x y"]', ""]
    assert second == ["2", "0.001", "[bold]the[/bold] | pipe", "false", "[]", "2.5"]


def test_markdown_is_rounded_aligned_and_escaped(table: Table) -> None:
    lines = to_markdown(table).split("\n")
    assert lines[0] == "**A title**"
    assert lines[2] == "| layer | share | word | right | roles | margin |"
    assert lines[3] == "| ---: | ---: | :--- | :--- | :--- | ---: |"
    assert lines[5] == "| 2 | 0.001 | [bold]the[/bold] \\| pipe | no |  | 2.500 |"
    assert lines[-2] == "A note."


def test_a_pipe_in_a_heading_or_cell_is_not_a_column_in_markdown() -> None:
    lines = to_markdown(rows_table(["|I| of a word"], [["a|b"]])).split("\n")
    assert lines[0] == "| \\|I\\| of a word |"
    assert lines[2] == "| a\\|b |"


def test_a_piped_table_is_never_cut_and_has_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    long = "word " * 200
    render([rows_table(["text", "n"], [[long.strip(), 1]], "A title", "A note.")])
    out = capsys.readouterr().out
    assert long.strip() in out
    assert "\x1b" not in out
    assert "…" not in out
    assert [line for line in out.split("\n") if line != line.rstrip()] == []


def test_markup_in_a_cell_is_text(capsys: pytest.CaptureFixture[str], table: Table) -> None:
    render([table])
    assert "[bold]the[/bold] | pipe" in capsys.readouterr().out


def test_a_terminal_wraps_instead_of_cutting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        rendering, "console", lambda: Console(width=40, force_terminal=True, color_system=None)
    )
    text = " ".join(f"word{i}" for i in range(50))
    render([rows_table(["text", "n"], [[text, 1]])])
    out = capsys.readouterr().out
    assert max(map(len, out.split("\n"))) <= 40
    assert all(f"word{i}" in out for i in range(50))


def test_a_table_without_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    render([rows_table(["a"], [], "Nothing here")])
    assert capsys.readouterr().out == "Nothing here\n(no rows)\n"


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.5, 0.25], ["0.500", "0.250"]),
        ([1234.5, 0.25], ["1234", "0"]),
        ([1e-5, 2e-7], ["1.000e-05", "2.000e-07"]),
        ([0.0], ["0.000"]),
        ([math.nan, 1.5], ["nan", "1.500"]),
    ],
)
def test_floats_of_a_column_share_their_digits(values: list[float], shown: list[str]) -> None:
    assert [row[0] for row in rows_table(["x"], [[value] for value in values]).cells()] == shown
