"""Reports: their arithmetic against plain Python over the Parquet files, and what they print."""

import math
import re
import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cells import close, value_of
from support.expected_data import Data
from support.expected_paths import skip_share
from support.fixtures import HEADS, LAYERS, MODEL

from ipgraph.graphstore.common.entropy import binary_entropy, pattern_entropy
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.graphstore.schema.records import LEVELS, Level
from ipgraph.graphstore.store.protocol import Store
from ipgraph.queries.reports.registry import REPORTS, make
from ipgraph.queries.reports.tables import Table
from ipgraph.queries.views.labels import printed_label, printed_step, printed_subpath

pytestmark = pytest.mark.xdist_group("queries")

ACROSS = "object-relative-across"
PREDICTED = ("table1", "figure5", "optimality")
"""Reports of what `ipgraph evaluate` measured; tried where that is."""
REQUIRED: dict[str, dict[str, Any]] = {
    "through-head": {"role": "subject", "layer": 2, "head": 2},
    "conditions": {"condition": "singular-plural", "other_condition": "plural-singular"},
    "merges": {"role": "attractor", "other_role": "other"},
    "lexical": {"role": "subject"},
}


@pytest.fixture(scope="module")
def data(runs: list[RunDirectory]) -> Data:
    return Data.of(*runs)


def made(name: str, store: Store, runs: list[RunDirectory], **options: Any) -> list[Table]:
    required = dict(REQUIRED.get(name, {}))
    if name == "compare":
        required["other"] = runs[1].id
    return make(name, store, **{"run": runs[0].id, **required, **options})


OF_PATTERNS = {name: report for name, report in REPORTS.items() if report.needs in ("patterns", "attention")}


@pytest.mark.parametrize("name", OF_PATTERNS)
def test_a_report_has_a_title_and_tables_that_say_their_run(
    store: Store, runs: list[RunDirectory], name: str
) -> None:
    assert REPORTS[name].summary.endswith(".")
    assert all(parameter.help.endswith(".") for parameter in REPORTS[name].parameters)
    assert all(
        p.kind is p.KEYWORD_ONLY for p in list(signature(REPORTS[name].function).parameters.values())[1:]
    )
    tables = made(name, store, runs)
    assert any(table.rows for table in tables)
    assert any(runs[0].id in table.title + table.note for table in tables)
    for table in tables:
        assert all(len(row) == len(table.headers) for row in table.cells())


def test_a_tables_values_stay_beside_their_print() -> None:
    table = made_table()
    assert table.headers == ["word", "n", "share", "g"]
    assert table.cells() == [["so", "1,200", "12.5%", "+0.250"], ["–", "–", "–", "–"]]
    assert table.records()[0] == {"word": "so", "n": 1200, "share": 0.125, "g": 0.25}


def made_table() -> Table:
    from ipgraph.queries.reports.tables import count, share, signed, text

    columns = (text("word"), count("n"), share("share"), signed("g"))
    return Table("A table", columns, [["so", 1200, 0.125, 0.25], [None, None, None, None]])


# Entropy


@given(st.floats(0, 1))
def test_binary_entropy_is_symmetric_and_in_bits(p: float) -> None:
    assert 0 <= binary_entropy(p) <= 1
    assert math.isclose(binary_entropy(p), binary_entropy(1 - p), abs_tol=1e-9)


def test_binary_entropy_of_known_probabilities() -> None:
    assert [binary_entropy(p) for p in (0, 0.5, 1)] == [0, 1, 0]
    assert math.isclose(binary_entropy(0.25), 2 - 0.75 * math.log2(3))
    with pytest.raises(ValueError, match="a probability is between 0 and 1"):
        binary_entropy(1.1)
    assert pattern_entropy([0.5, 0.5, 1.0], 10) == 0.2


def entropy_of(patterns: list[dict[str, Any]], length: int, level: Level) -> float:
    """Return the mean of H(p_n) over every node of the graph, one by one."""
    ids = {p["instance"] for p in patterns}
    total = 0.0
    nodes = graph.digraph(MODEL, GraphShape.uniform(LAYERS, HEADS), length, level=level).nodes
    for node in nodes:
        label = node.rpartition("/")[2]
        share = len({p["instance"] for p in patterns if any(at.label == label for at in p["at"])}) / len(ids)
        if 0 < share < 1:
            total -= share * math.log2(share) + (1 - share) * math.log2(1 - share)
    return total / len(nodes)


@pytest.mark.parametrize("level", LEVELS)
def test_entropy_is_that_over_every_node_of_the_graph(
    store: Store, data: Data, runs: list[RunDirectory], level: Level
) -> None:
    structures, positions = made("entropy", store, runs, level=level)
    for row in structures.records():
        patterns = data.scope(runs[0].id, level, str(row["subtask"]), sign=1)
        length = len(patterns[0]["e"]["tokens"])
        assert row["length"] == length
        assert value_of(row["H of Pi_+"]) == pytest.approx(entropy_of(patterns, length, level))
    assert len(structures.rows) == 2
    for row in positions.records():
        patterns = data.scope(runs[0].id, level, ACROSS, position=row["position"])  # type: ignore[arg-type]
        assert value_of(row["H"]) == pytest.approx(entropy_of(patterns, 11, level))
        mean = sum(abs(p["influence"]) for p in patterns) / len(patterns)
        assert value_of(row["mean |influence|"]) == pytest.approx(mean)
    assert [row["position"] for row in positions.records()] == [p for p in range(11) if p != 7]


# Overview


def test_overview_says_what_the_parquet_files_say(store: Store, data: Data, runs: list[RunDirectory]) -> None:
    facts, accuracy, findings, heads, entropy = made("overview", store, runs)
    assert facts.title == f"Run {runs[0].id}"
    evaluated = data.evaluated(runs[0].id)
    every = accuracy.records()[-1]
    assert every["instances"] == len(evaluated) == 24
    assert value_of(every["accuracy"]) == pytest.approx(sum(e["is_correct"] for _, e in evaluated) / 24)
    values = {str(row["finding"]): value_of(row["value"]) for row in findings.records()}
    assert all(f"{value:.1%}" in finding or "instances" in finding for finding, value in values.items())

    def value(words: str) -> object:
        return next(value for finding, value in values.items() if words in finding)

    [(*_, skips, heads_taken, share, _, staying)] = skip_share(data, run=runs[0].id)
    assert (
        value("are skip connections") == pytest.approx(skips / (skips + heads_taken)) == pytest.approx(share)
    )
    assert value("stays on its word") == pytest.approx(staying)
    large = [
        e for _, e in evaluated if abs(e["completeness_error"]) > 0.05 * abs(e["qoi"] - e["qoi_baseline"])
    ]
    assert value("completeness error above 5%") == len(large) / 24
    close = choices = 0
    for p in data.scope(runs[0].id):
        for at in p["at"]:
            choices += at.margin is not None
            error, scale = abs(p["e"]["completeness_error"]), abs(p["e"]["qoi"])
            close += at.margin is not None and (at.margin <= error or at.margin <= 0.001 * scale)
    assert value("beat the runner-up") == pytest.approx(close / choices)
    assert [row["head"] for row in heads.records()] == [
        row["head"] for row in made("heads", store, runs)[0].records()[:5]
    ]
    assert len(entropy.rows) == 2


def test_overview_of_an_embedding_run_leaves_heads_out(store: Store, runs: list[RunDirectory]) -> None:
    tables = make("overview", store, run=runs[2].id)
    assert [table.title for table in tables[1:]] == [
        "Model accuracy",
        "Findings",
        "Pattern entropy, per structure",
    ]
    assert not any("skip" in str(row[0]) for row in tables[2].rows)


def test_overview_sums_many_conditions_up_by_subtask(
    tmp_path: Path, data: Data, runs: list[RunDirectory], monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    monkeypatch.setattr("ipgraph.queries.reports.runs.MOST_ROWS", 7)
    rows = made("overview", store, runs)[1].records()
    assert [row["subtask"] for row in rows] == [ACROSS, "object-relative-within", "all"]
    evaluated = [e for i, e in data.evaluated(runs[0].id) if i["subtask"] == ACROSS]
    assert value_of(rows[0]["accuracy"]) == pytest.approx(
        sum(e["is_correct"] for e in evaluated) / len(evaluated)
    )
    assert value_of(rows[0]["mean QoI"]) == pytest.approx(sum(e["qoi"] for e in evaluated) / len(evaluated))


# The others


def test_heads_are_printed_from_1(store: Store, data: Data, runs: list[RunDirectory]) -> None:
    top = made("heads", store, runs, limit=1000)[0].records()
    stored = {(at.layer, at.head) for p in data.scope(runs[0].id) for at in p["at"] if at.kind == "head"}
    assert {(row["layer"], row["head"]) for row in top} == stored
    per_layer = made("heads", store, runs, limit=3)[1].records()
    assert [row["layer"] for row in per_layer] == [1, 2, 3]
    through = made("through-head", store, runs, layer=2, head=2, limit=1000)[0].records()
    wanted = [p for p in data.scope(runs[0].id, role="subject") if "h02.02" in {at.short for at in p["at"]}]
    assert len(through) == len(wanted) > 0
    with pytest.raises(UsageError, match="the parameter head is 0; it must be at least 1"):
        made("through-head", store, runs, head=0)


def test_skip_share_per_role(store: Store, data: Data, runs: list[RunDirectory]) -> None:
    rows = made("skip-share", store, runs, condition="plural-plural")[2].records()
    wanted = skip_share(data, by="role", run=runs[0].id, condition="plural-plural")
    names = ("role", "skips", "heads", "skip share", "of staying steps")
    found = [[value_of(row[name]) for name in names] for row in rows]
    expected = [[row[2], *row[4:7], row[8]] for row in wanted]
    assert all(all(map(close, one, other)) for one, other in zip(found, expected, strict=True))


def test_subpaths_are_printed_as_people_read_them(store: Store, runs: list[RunDirectory]) -> None:
    for by, pattern in (("position", r"[\w.]+@\d+"), ("role", r"[\w.]+:\w+"), ("target", r"[\w.]+[+-]\d+")):
        [table] = made("subpaths", store, runs, by=by, k=2, limit=50)
        assert len(table.rows) == 50
        first = str(table.rows[0][0])
        assert re.fullmatch(rf"{pattern} → {pattern}", first), first
    with pytest.raises(UsageError, match="unknown kind of subpath 'word'; valid, nearest first: "):
        made("subpaths", store, runs, by="word")


def test_labels_in_print() -> None:
    printed = {
        "h03.08@0012": "h3.8@12",
        "s03.--@0012": "s3@12",
        "x00.--@0000": "x@0",
        "e12.--@0100": "e12@100",
        "h03.08-0002": "h3.8-2",
        "e03.--+0000": "e3+0",
        "h03.08:subject.........": "h3.8:subject",
    }
    assert {label: printed_label(label) for label in printed} == printed
    assert printed_subpath("x00.--@0001 s01.--@0001") == "x@1 → s1@1"
    assert [printed_step(step) for step in ("h10.01", "s03.--")] == ["h10.1", "s3"]


def test_a_run_agrees_with_itself(store: Store, runs: list[RunDirectory]) -> None:
    outcomes, roles, differing = made("compare", store, runs, other=runs[0].id)
    assert [value_of(row["difference"]) for row in outcomes.records()] == [0.0, 0.0, 0.0]
    assert [row["p"] for row in outcomes.records()] == [1.0, 1.0, 1.0]
    assert {value_of(row["same path"]) for row in [*roles.records(), *differing.records()]} == {1.0}
    assert "228 of 228 paths are the same (100.0%)" in roles.note


def test_lexical_sums_the_conditions_of_a_form(store: Store, data: Data, runs: list[RunDirectory]) -> None:
    forms, per_condition = made("lexical", store, runs, role="det")
    [row] = forms.records()
    patterns = data.scope(runs[0].id, role="det")
    evaluated = {p["instance"]: p["e"] for p in patterns}
    assert (row["word"], row["instances"]) == ("the", 24)
    assert value_of(row["accuracy"]) == pytest.approx(sum(e["is_correct"] for e in evaluated.values()) / 24)
    assert value_of(row["mean g"]) == pytest.approx(
        sum(p["total_influence"] for p in patterns) / len(patterns)
    )
    assert value_of(row["of all errors"]) == pytest.approx(1.0)
    assert len(per_condition.rows) == 4


def test_roles_and_conditions_that_do_not_exist_are_named(store: Store, runs: list[RunDirectory]) -> None:
    where = f"in run {runs[0].id}"
    with pytest.raises(UsageError, match=f"unknown role 'subjekt' {where}; valid, nearest first: subject, "):
        made("words", store, runs, role="subjekt")
    for name in ("conditions", "heads"):
        with pytest.raises(UsageError, match=f"unknown condition 'plural' {where}; .*first: plural-plural"):
            made(name, store, runs, condition="plural")
    with pytest.raises(UsageError, match=f"unknown subtask 'sva' {where}; valid, nearest first: "):
        made("skip-share", store, runs, subtask="sva")
    with pytest.raises(
        UsageError, match="name two conditions to compare, of: plural-plural, plural-singular"
    ):
        made("conditions", store, runs, other_condition="")


def test_every_report_refuses_names_that_do_not_exist(store: Store, runs: list[RunDirectory]) -> None:
    tried = 0
    for name, report in OF_PATTERNS.items():
        for option in (parameter.name for parameter in report.parameters):
            kind = option.removeprefix("other_")
            if kind in ("subtask", "condition", "role"):
                tried += 1
                with pytest.raises(
                    UsageError, match=f"unknown {kind} 'plura' in run {runs[0].id}; valid, nearest first: "
                ):
                    made(name, store, runs, **{option: "plura"})
    assert tried > 20


def test_a_scope_without_rows_is_said(store: Store, runs: list[RunDirectory]) -> None:
    tables = made("skip-share", store, runs, role="target")
    assert all(table.rows == [] for table in tables)
    assert all(table.note.endswith("nothing found") for table in tables)


def test_reports_need_no_torch(filled: Path) -> None:
    code = (
        "import sys; from ipgraph.queries.reports.registry import make;"
        "from ipgraph.queries.language.running import ask, opened\n"
        f"with opened({str(filled)!r}) as store: make('overview', store)\n"
        f"ask('accuracy', {str(filled)!r}); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
