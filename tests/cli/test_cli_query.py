"""`ipgraph query` and `report`: the library's rows and tables in every format, and what is refused."""

import csv
import math
from dataclasses import asdict, is_dataclass
from inspect import signature
from io import StringIO
from pathlib import Path

import pytest
from support.attributed import make_attributed
from support.cli_runs import Folder, folder, invoke, shared_folder
from support.cli_runs import rows as json_rows
from support.cli_runs import tables as json_tables

from ipgraph.graphstore.opening import open_store
from ipgraph.queries.language.registry import templates
from ipgraph.queries.language.running import ask
from ipgraph.queries.reports.registry import REPORTS
from ipgraph.queries.reports.tables import Table

__all__ = ["folder", "shared_folder"]
OF_SCORES = {"flow": "flow", "alti": "alti", "full-story": "hta"}
"""Reports on methods that score tokens, each with a method."""
"""Reports of measures: tried in test_cli_evaluate.py, where there are some."""
TEMPLATE = """\
// title: Patterns of a sign
// description: How many patterns have a sign.
// parameters:
//   run: run = newest  The run.
//   sign: int -1|1 = 1  The sign.
// columns:
//   patterns: How many.
MATCH (p:Pattern {run: $run, sign: $sign})
RETURN count(p) AS patterns
"""


def equal(one: object, other: object) -> bool:
    """Tell whether two cells are equal, floats up to their last digits: a store adds in no fixed order."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12)
    if isinstance(one, dict) and is_dataclass(other) and not isinstance(other, type):
        return all(equal(one[name], value) for name, value in asdict(other).items())
    if one is None and isinstance(other, float):
        return math.isnan(other)
    return one == other


def test_list_has_every_template(folder: Folder) -> None:
    rows = json_rows("query", "list")
    assert [row["name"] for row in rows] == list(templates())


def test_json_and_csv_are_exactly_the_rows_of_the_library(folder: Folder) -> None:
    arguments = ("query", "run", "heads-by-traversal", "--param", "limit=5", "--format")
    rows = ask("heads-by-traversal", folder.path / "ipgraph.db", limit=5).records()
    assert len(rows) == 5
    assert json_rows(*arguments[:-1]) == rows
    read = list(csv.DictReader(StringIO(invoke(*arguments, "csv").stdout)))
    assert read == [{name: str(value) for name, value in row.items()} for row in rows]


def test_a_run_is_chosen_by_the_beginning_of_its_id(folder: Folder) -> None:
    counts = {
        chosen.id: json_rows("query", "run", "skip-share", "--param", f"run={chosen.id[:6]}")
        for chosen in folder.runs
    }
    expected = {
        chosen.id: ask("skip-share", folder.path / "ipgraph.db", run=chosen.id).records()
        for chosen in folder.runs
    }
    assert counts == expected


def test_show_prints_parameters_as_neo4j_browser_takes_them(folder: Folder) -> None:
    shown = invoke("query", "show", "shared-subpaths", "--param", "k=4").stdout
    assert ":param k => 4;\n" in shown
    assert ":param first => 0;\n" in shown
    assert ':param run => "RUN";\n' in shown
    assert shown.endswith(templates()["shared-subpaths"].text("neo4j") + "\n")
    known = invoke("query", "show", "shared-subpaths", "--store", "ipgraph.db").stdout
    assert any(f':param run => "{one.id}";\n' in known for one in folder.runs)


def test_show_cypher_goes_to_stderr(folder: Folder) -> None:
    plain = invoke("query", "run", "skip-share")
    shown = invoke("query", "run", "skip-share", "--show-cypher")
    assert shown.stdout == plain.stdout
    assert templates()["skip-share"].body in shown.stderr
    assert ':param level => "attention";\n' in shown.stderr


def test_explain_prints_a_plan_instead_of_rows(folder: Folder) -> None:
    for arguments in (
        ("run", "skip-share"),
        ("cypher", "MATCH (p:Pattern {run: $run}) RETURN count(p) AS n"),
    ):
        plan = invoke("query", *arguments, "--explain").stdout
        assert "SCAN" in plan.upper()
        assert "skip_share" not in plan.split("\n")[0]


def test_cypher_of_ones_own_takes_typed_parameters(folder: Folder) -> None:
    text = "MATCH (p:Pattern {run: $run}) WHERE p.position = $at AND p.role IN $roles RETURN count(p) AS n"
    given = ("--param", "at=1", "--param", 'roles=["det", "cls"]')
    (row,) = json_rows("query", "cypher", text, *given)
    newest = max(folder.runs, key=lambda one: (one.manifest["created"], one.id))
    expected = sum(p.position == 1 and p.role in ("det", "cls") for p in newest.records("patterns"))
    assert row["n"] == expected > 0


def test_a_run_is_named_as_everywhere_else(folder: Folder) -> None:
    for one in folder.runs:
        named = [
            invoke("query", "run", "accuracy", *given, "--format", "json").stdout
            for given in (("--run", one.id[:6]), ("--param", f"run={one.id[:6]}"))
        ]
        assert named[0] == named[1]
        text = "MATCH (r:Run {id: $run}) RETURN r.id AS id"
        (row,) = json_rows("query", "cypher", text, "--run", one.id[:6])
        assert row["id"] == one.id
        shown = invoke("query", "show", "accuracy", "--run", one.id, "--store", "ipgraph.db").stdout
        assert f':param run => "{one.id}";' in shown


def test_templates_of_ones_own_are_found(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "signs.cypher").write_text(TEMPLATE)
    given = ("--queries-dir", str(tmp_path))
    assert "signs" in invoke("query", "list", *given).stdout
    (row,) = json_rows("query", "run", "signs", "--param", "sign=-1", *given)
    newest = max(folder.runs, key=lambda one: (one.manifest["created"], one.id))
    assert row["patterns"] == sum(p.sign == -1 for p in newest.records("patterns")) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "skip-shar"), "unknown query 'skip-shar'; valid, nearest first: skip-share"),
        (("run", "skip-share", "--param", "sing=1"), "unknown parameter 'sing'; valid, nearest first: sign"),
        (("run", "skip-share", "--param", "role=subjekt"), "unknown role 'subjekt' in run "),
        (("run", "skip-share", "--param", "sign=plus"), "not a whole number"),
        (("run", "skip-share", "--param", "sign"), "--param 'sign' is not of the form NAME=VALUE"),
        (("run", "skip-share", "--param", "sign=1", "--param", "sign=1"), "parameter 'sign' is given twice"),
        (("run", "skip-share", "--store", "nowhere.db"), "nowhere.db"),
        (("run", "skip-share", "--format", "xml"), "xml"),
        (("run", "skip-share", "--queries-dir", "nowhere"), "nowhere"),
        (("cypher", "MATCH (p:Pattern) RETURN p.id AS x, $k AS y"), "--param k="),
        (("cypher", "MATCH (p:Pattern) DELETE p"), "the statement writes, and only reading is allowed here"),
        (("show", "skip-share", "--param", "sign=5"), "sign is 5; valid: -1, 0, 1"),
        (("cypher", "CREATE (:Run {id: 'x'})"), ""),
        (("cypher", "COPY (MATCH (p:Pattern) RETURN p.id) TO 'out.csv'"), ""),
        (("cypher", "MATCH (p:Pattern RETURN p"), ""),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_exit_code_2(
    folder: Folder, arguments: tuple[str, ...], message: str
) -> None:
    result = invoke("query", *arguments, code=2)
    assert message in result.stderr.replace("\n│ ", " ")
    assert result.stdout == ""
    assert not Path("out.csv").exists()


def test_ipgraph_store_names_the_store(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = invoke("query", "run", "skip-share").stdout
    monkeypatch.chdir(tmp_path)
    invoke("query", "run", "skip-share", code=2)
    env = {"IPGRAPH_STORE": str(folder.path / "ipgraph.db")}
    assert invoke("query", "run", "skip-share", env=env).stdout == expected


@pytest.mark.parametrize(
    "name", [name for name in REPORTS if REPORTS[name].needs in ("patterns", "attention")]
)
def test_reports_are_the_library_s_tables(name: str, folder: Folder) -> None:
    by_report: dict[str, dict[str, object]] = {
        "through-head": {"role": "subject", "layer": 1, "head": 1},
        "merges": {"role": "subject", "other_role": "attractor"},
        "lexical": {"role": "subject"},
        "compare": {"other": folder.runs[0].id, "run": folder.runs[1].id},
        "conditions": {"condition": "singular-plural", "other_condition": "plural-plural"},
    }
    given = by_report.get(name, {})
    function = REPORTS[name].function
    required = [p.name for p in signature(function).parameters.values() if p.default is p.empty][1:]
    arguments = [str(given[key]) for key in required]
    options = [f"--{key.replace('_', '-')}={value}" for key, value in given.items() if key not in required]
    with open_store(folder.path / "ipgraph.db") as store:
        expected = function(store, **given)
    require_shown(expected, "report", name, *arguments, *options)


@pytest.mark.parametrize("name", OF_SCORES)
def test_reports_on_scores_are_the_library_s_tables(name: str, tmp_path: Path) -> None:
    path = tmp_path / "scores.db"
    with open_store(path) as store:
        store.add([make_attributed(tmp_path, method=OF_SCORES[name])])
        expected = REPORTS[name].function(store)
    require_shown(expected, "report", name, f"--store={path}")


def require_shown(expected: list[Table], *command: str) -> None:
    """Fail unless a command prints these tables, as JSON and in print."""
    shown = json_tables(*command)
    for rows, table in zip((table["rows"] for table in shown), expected, strict=True):
        assert [list(row) for row in rows] == [list(table.keys)] * len(table.rows)
        cells = zip((list(row.values()) for row in rows), table.rows, strict=True)
        assert all(equal(*pair) for row in cells for pair in zip(*row, strict=True))
    assert all(len(set(names)) == len(names) for table in expected for names in (table.headers, table.keys))
    text = invoke(*command, "--show-cypher")
    assert all(table.title in text.stdout and table.note in text.stdout for table in expected)
    assert all(table.cypher in text.stderr for table in expected)
    assert "MATCH" in text.stderr
