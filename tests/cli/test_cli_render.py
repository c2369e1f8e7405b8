"""What tables look like on stdout: exact in JSON and CSV, whole in a pipe, wrapped on a terminal."""

import csv
import json
import math
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ipgraph.cli import render as rendering
from ipgraph.cli.fitting import fit
from ipgraph.cli.formats import to_csv, to_json, to_latex, to_markdown
from ipgraph.cli.render import render, rows_table
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


def rows_of(table: Table) -> list[dict[str, Any]]:
    """Return a table's rows as JSON has them."""
    (only,) = json.loads(to_json([table]))["tables"]
    return list(only["rows"])


def test_json_gives_every_value_back(table: Table) -> None:
    assert [list(row.values()) for row in rows_of(table)] == ROWS
    floats = rows_of(rows_table(["x"], [[value] for value in VALUES]))
    assert [repr(row["x"]) for row in floats] == [repr(value) for value in VALUES]


def test_json_has_null_for_what_json_cannot_say() -> None:
    rows = rows_of(rows_table(["x"], [[math.nan], [math.inf], [[math.nan, 1.0]]]))
    assert [row["x"] for row in rows] == [None, None, [None, 1.0]]


def test_json_of_several_tables_keeps_them_apart(table: Table) -> None:
    first, second = json.loads(to_json([table, table]))["tables"]
    assert first == second
    assert (first["title"], first["notes"], len(first["rows"])) == ("A title", ["A note."], 2)
    assert first["columns"] == COLUMNS == list(first["rows"][0])


def test_names_in_json_are_in_snake_case() -> None:
    table = rows_table(
        ["of patterns", "H of Pi_+", "H of Pi_-", "|I| of a word", "of  patterns"], [[1, 2, 3, 4, 5]]
    )
    named = ["of_patterns", "h_of_pi_plus", "h_of_pi_minus", "i_of_a_word", "of_patterns_2"]
    assert json.loads(to_json([table]))["tables"][0]["columns"] == named


def test_an_interval_is_exact_for_programs_and_short_for_readers() -> None:
    table = rows_table(["figure"], [[Interval(0.123456789, math.nan, 2.0)]])
    exact = {"value": 0.123456789, "low": None, "high": 2.0}
    assert rows_of(table) == [{"figure": exact}]
    (read,) = csv.DictReader(StringIO(to_csv(table)))
    assert read == {"figure": "0.123456789", "figure low": "nan", "figure high": "2.0"}
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


def on_screen(width: int, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Print a table as on a terminal of a width."""
    monkeypatch.setattr(
        rendering, "console", lambda: Console(width=width, force_terminal=True, color_system=None)
    )
    render([table])


def test_a_terminal_wraps_instead_of_cutting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(f"word{i}" for i in range(50))
    on_screen(40, rows_table(["text", "n"], [[text, 1]]), monkeypatch)
    out = capsys.readouterr().out
    assert max(map(len, out.split("\n"))) <= 40
    assert all(f"word{i}" in out for i in range(50))


@given(
    cells=st.lists(st.lists(st.text("ab ", max_size=30), min_size=5, max_size=5), min_size=1, max_size=4),
    importance=st.lists(st.integers(0, 3), min_size=5, max_size=5),
    width=st.integers(50, 100),
)
def test_what_is_shown_fits_without_a_broken_word(
    cells: list[list[str]], importance: list[int], width: int
) -> None:
    names = ["first", "second one", "third", "fourth", "fifth"]
    table = rows_table(names, cells, importance=dict(zip(names, importance, strict=True)))
    shown, widths = fit(table, width)
    columns = zip(names, *cells, strict=True)
    longest = [max(len(word) for text in column for word in text.split() or [""]) for column in columns]
    assert all(longest[index] <= wide for index, wide in zip(shown, widths, strict=True))
    assert len(shown) == 2 or sum(widths) + 3 * (len(widths) - 1) <= width
    hidden = [index for index in range(5) if index not in shown]
    assert all((importance[h], -h) < (importance[s], -s) for h in hidden for s in shown)


def test_columns_that_do_not_fit_are_named_below(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"column-number-{n}" for n in range(8)]
    table = rows_table(names, [[f"value-{n}" for n in range(8)]], importance={names[7]: 1})
    on_screen(80, table, monkeypatch)
    out = capsys.readouterr().out
    assert max(map(len, out.split("\n"))) <= 80
    assert out.split("\n")[0].split() == [*names[:3], names[7]]
    assert " ".join(out.split()).endswith(
        f"not shown: {', '.join(names[3:7])}; widen the terminal or use --format csv"
    )
    monkeypatch.undo()
    render([table])
    assert capsys.readouterr().out.split("\n")[0].split() == names


def test_a_value_longer_than_the_screen_stays_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_screen(40, rows_table(["what", "value"], [["digest", "f" * 64]]), monkeypatch)
    assert "f" * 64 in capsys.readouterr().out


def test_latex_is_escaped_and_has_the_rules_of_booktabs(table: Table) -> None:
    lines = to_latex(table).split("\n")
    assert lines[1:6] == [
        "\\begin{table}",
        "\\centering",
        "\\caption{A title}",
        "\\begin{tabular}{rrlllr}",
        "\\toprule",
    ]
    assert lines[6] == "layer & share & word & right & roles & margin \\\\"
    assert lines[9] == "2 & 0.001 & {[}bold{]}the{[}/bold{]} $|$ pipe & no &  & 2.500 \\\\"
    assert [lines[i] for i in (7, 10)] == ["\\midrule", "\\bottomrule"]
    assert "A note." in lines[12]
    hostile = to_latex(rows_table(["50% & $x_1$ #~^\\{}"], [[-0.5], [None]]))
    assert r"50\% \& \$x\_1\$ \#\textasciitilde{}\textasciicircum{}\textbackslash{}\{\} \\" in hostile
    assert "$-$0.500 \\\\\n--" in hostile
    symbols = to_latex(rows_table(["Pi_+^e", "random^a", "Pi_-", "|I|"], [[1, 2, 3, 4]]))
    assert r"$\Pi$$_{+}$$^{e}$ & random$^{a}$ & $\Pi$$_{-}$ & $|$I$|$ \\" in symbols


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
