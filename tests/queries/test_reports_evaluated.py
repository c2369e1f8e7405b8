"""Which evaluated runs the reports on evaluations show, how they tell them apart, and what they leave out."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest
import typer
from support.entropy_measures import measure, measures

from ipgraph.cli.app import app
from ipgraph.cli.figures.entropy import entropy_panels
from ipgraph.cli.formats import to_csv, to_json
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.measures import MeasureKey
from ipgraph.graphstore.schema.records import Measure, Run
from ipgraph.graphstore.store.protocol import Result
from ipgraph.queries.language.registry import template
from ipgraph.queries.reports.registry import REPORTS
from ipgraph.queries.reports.tables import Table
from ipgraph.queries.views.evaluated import evaluated_runs, tasks_of

pytestmark = pytest.mark.xdist_group("queries")

OTHER = {"qoi": "positive-negative", "baseline": "pad", "n_steps": 20, "quadrature": "gauss-legendre"}
OTHER |= {"dtype": "float32", "level": "embedding"}
"""Another value of each setting."""
PREDICTED = ("table1", "figure5", "optimality")
STRUCTURE = "one structure: 4 tokens, target at 3"


class Evaluations:
    """A store that only says which runs it has and what was measured of them."""

    dialect, first, location = "ladybug", 1, "here"

    def __init__(self, measured: Mapping[str, tuple[Run, list[Measure]]], *, shared: int = 24) -> None:
        self.measured = {run.id: (run, found) for run, found in measured.values()}
        self.shared = shared

    def runs(self) -> list[Run]:
        return sorted((run for run, _ in self.measured.values()), key=lambda run: run.created, reverse=True)

    def read(self, cypher: str, parameters: Mapping[str, Any], **_bounds: object) -> Result:
        if "other" in parameters:
            other = self.measured[parameters["other"]][0]
            return Result(["shared"], [[min(self.shared, other.instances)]])
        assert cypher == template("measures").text()
        columns = [column.name for column in template("measures").columns]
        found = map(asdict, self.measured[parameters["run"]][1])
        return Result(columns, [[row[name] for name in columns] for row in found])


def evaluated(run: Run, number: int, *tasks: str, **fields: Any) -> tuple[Run, list[Measure]]:
    """Return a run like another, the `number`th that was made, and what was measured of its tasks."""
    name = f"r{number}{number}{number}aaabbbccc"
    made = replace(run, id=name, created=f"2026-01-0{number}", **fields)
    found = measures(name, *tasks)
    for task in tasks:
        found.append(
            measure(name, MeasureKey("ablated_accuracy", "gpr", "embedding", task, target="kept"), 0.5)
        )
        random = MeasureKey("beats_random", "gpr", "embedding", task, search="random")
        found.append(measure(name, random, 0.5, draws=9))
    return made, found


@pytest.fixture
def lab(run: RunDirectory) -> Any:
    """A store with an older run, a newer one of the same settings, one of others, and one of two tasks."""
    runs = {
        "older": evaluated(run.run, 1, ""),
        "newer": evaluated(run.run, 2, ""),
        "coarse": evaluated(run.run, 3, "", n_steps=20),
        "mixed": evaluated(run.run, 4, "sva-app", "sva-obj", dataset="mixed"),
        "bare": evaluated(run.run, 5),
    }
    return Evaluations(runs)


def notes(tables: list[Table]) -> list[str]:
    return [table.note for table in tables]


@pytest.mark.parametrize("setting", OTHER)
def test_runs_of_unlike_settings_are_all_shown(run: RunDirectory, setting: str) -> None:
    pair = {"a": evaluated(run.run, 1, ""), "b": evaluated(run.run, 2, "", **{setting: OTHER[setting]})}
    store: Any = Evaluations(pair)
    assert [found.left_out for found in evaluated_runs(store)] == [(), ()]
    for note in notes(REPORTS["optimality"].function(store)):
        for made, _ in pair.values():
            value = getattr(made, setting)
            assert f"run {made.id}: 24 instances of sva-obj, toy, {setting} {value}" in note


def test_a_smaller_run_does_not_take_the_place_of_a_larger_one(run: RunDirectory) -> None:
    """A try of four sentences, made last, hides no figures of a thousand."""
    of = {"large": evaluated(run.run, 1, ""), "tried": evaluated(run.run, 2, "", instances=4)}
    store: Any = Evaluations(of)
    assert [(found.run.instances, found.left_out) for found in evaluated_runs(store)] == [
        (24, ("r222aaabbbccc",))
    ]


@pytest.mark.parametrize("shared", [0, 3])
def test_runs_of_other_instances_are_both_shown_though_their_files_have_one_name(
    run: RunDirectory, shared: int
) -> None:
    of = {"large": evaluated(run.run, 1, ""), "other": evaluated(run.run, 2, "", instances=4)}
    store: Any = Evaluations(of, shared=shared)
    assert [(found.run.instances, found.left_out) for found in evaluated_runs(store)] == [(24, ()), (4, ())]


@pytest.mark.parametrize("name", PREDICTED)
def test_the_newest_run_of_a_setting_is_shown_and_those_left_out_are_named(lab: Any, name: str) -> None:
    left_out = "runs of the same model and settings with all of their instances are shown: 1 evaluated run"
    said = notes(REPORTS[name].function(lab))
    assert any(f"{left_out} (r111aaa)" in note for note in said)
    assert any("run r222aaabbbccc: 24 instances of sva-obj, toy" in note for note in said)
    assert any("run r333aaabbbccc: 24 instances of sva-obj, toy" in note for note in said)
    assert not any("run r111" in note or "r555" in note for note in said)
    alone = notes(REPORTS[name].function(lab, run="r111"))
    assert any("run r111aaabbbccc: 24 instances" in note for note in alone)
    assert not any("left out, since" in note or "n_steps" in note for note in alone)


def test_columns_of_one_task_carry_their_runs_in_every_form(lab: Any) -> None:
    tables = REPORTS["table1"].function(lab)
    wanted = ["measure", "sva-app", "sva-obj (r444aaa)", "sva-obj (r333aaa)", "sva-obj (r222aaa)"]
    assert tables[1].headers == wanted
    with_ends = [end for name in wanted[1:] for end in (name, f"{name} low", f"{name} high")]
    assert to_csv(tables[1]).splitlines()[0] == ",".join([wanted[0], *with_ends])
    assert json.loads(to_json(tables))["tables"][1]["columns"] == tables[1].keys
    titles = [table.title for table in REPORTS["figure5"].function(lab)]
    assert len(set(titles)) == len(titles)


def test_each_task_is_one_point_of_its_newest_run(lab: Any) -> None:
    by_task, correlations = REPORTS["figure5"].function(lab)[-2:]
    assert [row[0] for row in by_task.rows] == ["sva-app", "sva-obj (r444aaa)"]
    left_out = (
        "one point per task, of its largest or newest run; left out: sva-obj (r333aaa), sva-obj (r222aaa)"
    )
    assert left_out in by_task.note
    assert {row["points"] for row in correlations.records()} == {2}
    panels = entropy_panels(tasks_of(evaluated_runs(lab)))[1]
    assert [[p.label for p in panel.series[0].points] for panel in panels] == [["sva-app", "sva-obj"]] * 3
    assert all(panel.note.endswith("\nof each task the largest or newest run") for panel in panels)


def test_tasks_of_two_models_are_points_of_each(run: RunDirectory) -> None:
    pair = {"a": evaluated(run.run, 1, ""), "b": evaluated(run.run, 2, "", model="b-1", model_name="lab/b")}
    store: Any = Evaluations(pair)
    found = [table for table in REPORTS["figure5"].function(store) if table.title.endswith("(Figure 5b)")]
    assert [[row[0] for row in table.rows] for table in found] == [["sva-obj (b)"], ["sva-obj (toy)"]]
    assert not any("left out" in note for note in notes(found))


def test_figure_5b_says_which_sentences_its_points_are_of(lab: Any) -> None:
    by_task = REPORTS["figure5"].function(lab)[-2]
    assert f"sva-app, sva-obj (r444aaa): {STRUCTURE}; " in by_task.note


def test_groupings_are_said_to_be_subtasks() -> None:
    said = {column.name: column.description for column in template("measures").columns}
    assert said["grouping"].startswith("A subtask; empty for the whole run.")
    assert "most frequent structure only" in said["grouping"]


@pytest.mark.parametrize("name", ["overview", *PREDICTED])
def test_help_says_which_runs_a_report_shows(name: str) -> None:
    group: Any = typer.main.get_command(app)
    for command in ("report", name):
        group = group.get_command(typer.Context(group), command)
    every = "the largest, then newest, evaluated run per model, dataset and settings"
    [run] = [p for p in group.params if p.name == "run"]
    assert run.show_default == (every if name in PREDICTED else "the newest run that has what is asked for")


def test_an_older_run_can_be_the_only_one_with_measures(lab: Any) -> None:
    del lab.measured["r222aaabbbccc"]
    assert {found.run.id[:4]: found.left_out for found in evaluated_runs(lab)} == {
        "r444": (),
        "r333": (),
        "r111": (),
    }
