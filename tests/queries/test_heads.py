"""Heads count from 1 wherever one is named: in every template, report, view, figure and page.

Every pattern of the run that these tests read passes skips and the last head only: any other number is wrong.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli_runs import invoke
from support.cli_runs import rows as json_rows
from support.expected_data import Data
from support.expected_rows import examples, names
from support.fixtures import HEADS
from support.one_head import one_head_run
from support.query_runs import query_runs

from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.store.protocol import Store
from ipgraph.queries.language.running import ask
from ipgraph.queries.reports.registry import REPORTS, make
from ipgraph.queries.views.charts import head_map
from ipgraph.queries.views.sentence import SKIP, load_sentences

pytestmark = pytest.mark.xdist_group("queries")

STORED = re.compile(r"\b[h]\d\d\.(\d\d|--)")
PRINTED = re.compile(r"\bh\d+\.(\d+)|\bhead (\d+)\b")
WITH_HEADS = {
    *("heads-by-traversal", "heads-by-layer", "heads-by-role", "heads-by-destination"),
    *("shared-subpaths", "node-probability", "node-probability-by-position", "node-probability-difference"),
    *("patterns-of-instance", "pattern-steps", "merge-points", "first-meetings", "routes"),
}
"""Templates whose rows name a head."""
REPORTS_WITH_HEADS = {"overview", "heads", "subpaths", "through-head", "conditions", "merges"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunDirectory]:
    """The run with one head, and one to compare it with."""
    root = tmp_path_factory.mktemp("runs")
    first, second, *_ = query_runs(root)
    return [one_head_run(first, root / "one-head"), second]


@pytest.fixture(scope="module")
def location(runs: list[RunDirectory], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "ipgraph.db"
    with open_store(path) as store:
        store.add(runs)
    return path


@pytest.fixture(scope="module")
def store(location: Path) -> Iterator[Store]:
    with open_store(location) as opened:
        yield opened


def heads_in(record: dict[str, Any], pattern: re.Pattern[str]) -> Iterator[int]:
    """Yield every head that a row names: in a column `head` or `runner_up`, or in a label."""
    yield from (record[name] for name in ("head", "runner_up") if record.get(name) is not None)
    for value in record.values():
        for found in pattern.finditer(str(value)):
            yield int(next(filter(None, found.groups())))


def test_every_template_names_the_last_head_or_0_for_none(store: Store, runs: list[RunDirectory]) -> None:
    data = Data.of(*runs)
    named: dict[str, set[int]] = {}
    for name in names():
        for parameters in examples(name, data, runs[0].id, runs[1].id):
            if parameters["run"] != runs[0].id:  # one without patterns
                continue
            rows = ask(name, store, **parameters)
            frame = rows.to_pandas()
            attention = parameters.get("level") != "embedding"
            for record, row in zip(rows, frame.to_dict("records"), strict=True):
                heads = set(heads_in(record, STORED)) if attention else set()
                if "kind" in record:
                    assert record["head"] == row["head"] == (HEADS if record["kind"] == "head" else 0)
                assert heads <= {0, HEADS}, (name, record)
                named.setdefault(name, set()).update(heads - {0})
    assert {name for name, heads in named.items() if heads} == WITH_HEADS
    passing = ask("instances-through-head", store, run=runs[0].id, role="subject", layer=3, head=HEADS)
    assert len(passing) == 24
    for head in range(1, HEADS):
        given: dict[str, Any] = {"run": runs[0].id, "role": "subject", "layer": 3, "head": head}
        assert ask("instances-through-head", store, **given).rows == []


def test_every_report_names_the_last_head(location: Path, runs: list[RunDirectory]) -> None:
    required: dict[str, dict[str, Any]] = {
        "through-head": {"role": "subject", "layer": 3, "head": HEADS},
        "conditions": {"condition": "singular-plural", "other_condition": "plural-singular"},
        "merges": {"role": "attractor", "other_role": "other"},
        "lexical": {"role": "subject"},
        "compare": {"other": runs[1].id},
    }
    named = set()
    for name, report in REPORTS.items():
        if report.needs in ("evaluation", "method") or name == "scores":  # these runs have no scores
            continue
        given = required.get(name, {})
        for table in make(name, location, run=runs[0].id, **given):
            cells = [dict(zip(table.headers, row, strict=True)) for row in table.cells()]
            records: list[dict[str, Any]] = [*table.records(), *cells, {"title": table.title}]
            for record in records:
                heads = {int(head) for head in heads_in(record, PRINTED)}
                assert heads <= {HEADS}, (name, record)
                named |= {name} if heads else set()
        arguments = [str(value) for value in given.values()]
        options = ("--run", runs[0].id, "--store", str(location), "--format", "json")
        for head in re.findall(r'"head": (\d+)', invoke("report", name, *arguments, *options).stdout):
            assert int(head) == HEADS
    assert named == REPORTS_WITH_HEADS


def test_views_and_what_is_drawn_of_them_name_the_last_head(
    location: Path, store: Store, runs: list[RunDirectory], tmp_path: Path
) -> None:
    run = runs[0].run
    hops = [
        hop
        for sentence in load_sentences(store, run)
        for pattern in sentence.patterns
        if pattern.level == "attention"
        for hop in pattern.hops()
    ]
    assert {hop.through for hop in hops} == {SKIP, str(HEADS)}
    assert {hop.runner_up for hop in hops if hop.through == SKIP} == {HEADS}
    shares = head_map(store, run).shares
    assert [[head for head, share in enumerate(row, 1) if share] for row in shares] == [[], [HEADS], [HEADS]]

    options = ("--run", run.id, "--store", str(location))
    instance = next(runs[0].records("instances")).id
    assert {row["head"] for row in json_rows("show", instance, *options)} == {0, HEADS}
    listed = invoke("show", instance, *options).stdout.partition("\ntotal: ")[0]
    assert set(re.findall(r" (\d+)>\d+\b", listed)) == {str(HEADS)}

    picture = tmp_path / "flow.svg"
    invoke("draw", instance, *options, "-o", str(picture))
    edges = re.findall(r"-edge-\d+-\d+-\d+-(\w+)-(?:posi|nega)tive", picture.read_text())
    assert set(edges) == {SKIP, str(HEADS)}
    invoke("plot", "heads", *options, "-o", str(picture))
    assert set(re.findall(r"-head-(\d+)-(\d+)", picture.read_text())) == {
        ("2", str(HEADS)),
        ("3", str(HEADS)),
    }


def test_the_page_names_the_last_head(location: Path, runs: list[RunDirectory], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    invoke("report", "html", "-o", str(page), "--run", runs[0].id, "--store", str(location))
    data = json.loads(page.read_text().partition('id="data">')[2].partition("</script>")[0])
    patterns = [word["attention"] for instance in data["instances"] for word in instance["words"]]
    assert {head for pattern in patterns for head in pattern["heads"]} == {0, HEADS}
    assert {second for pattern in patterns for second in pattern["seconds"]} == {None, HEADS}
