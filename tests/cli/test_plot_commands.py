"""`ipgraph plot` on a store, against counts made in plain Python from the run's rows and its measures."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli_runs import Folder, folder, invoke, own, shared_folder
from support.entropy_measures import WORDS, measures
from support.remade import remade

from ipgraph.cli.figures.entropy import entropy_panels
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.schema.labels import parse_label
from ipgraph.graphstore.store.protocol import Store
from ipgraph.queries.views.charts import head_map, margin_panels, skip_shares
from ipgraph.queries.views.evaluated import from_measures, tasks_of

__all__ = ["folder", "own", "shared_folder"]

SUBTASK, CONDITION = "object-relative-across", "singular-plural"


@pytest.fixture
def store(folder: Folder) -> Iterator[Store]:
    with open_store(folder.path / "ipgraph.db") as opened:
        yield opened


@pytest.mark.parametrize("plot", ["skip-share", "heads", "margins"])
def test_every_plot_is_written(folder: Folder, tmp_path: Path, plot: str) -> None:
    out = tmp_path / f"{plot}.svg"
    assert invoke("plot", plot, "-o", str(out)).output == f"wrote {out}\n"
    assert folder.runs[0].run.dataset in out.read_text()


def test_a_plot_of_some_instances_says_of_which(folder: Folder, tmp_path: Path) -> None:
    out = tmp_path / "a.svg"
    scope = ("--subtask", SUBTASK, "--condition", CONDITION, "-o", str(out))
    for plot, before in (("skip-share", ">"), ("margins", "level, ")):
        invoke("plot", plot, *scope)
        assert f"{before}{SUBTASK} {CONDITION}<" in out.read_text()
    invoke("plot", "heads", *scope)
    assert f"; {SUBTASK} {CONDITION}<" in out.read_text()  # in the file's title


@pytest.mark.parametrize("plot", ["skip-share", "heads", "margins"])
def test_a_width_or_a_seed_out_of_range_is_refused(folder: Folder, plot: str) -> None:
    wrong = [("--width", "0.1"), ("--width", "inf"), ("--width", "-3")]
    for option, value in [*wrong, *([("--seed", "-1")] if plot == "skip-share" else [])]:
        said = " ".join(invoke("plot", plot, "-o", "a.svg", option, value, code=2).output.split())
        assert f"invalid value for '{option}'" in said
        assert ("1.5 to 60 inches" in said) == (option == "--width")
        assert not Path("a.svg").exists()


def test_a_scope_that_holds_nothing_is_an_error(folder: Folder, tmp_path: Path) -> None:
    whole, out, place = folder.runs[0], str(tmp_path / "a.svg"), str(tmp_path / "rest.db")
    gone = {i.id for i in whole.records("instances") if (i.subtask, i.condition) == (SUBTASK, CONDITION)}
    rest = remade(whole, tmp_path, predictions=lambda row: None if row.instance in gone else row)
    with open_store(place) as store:
        store.add([rest])
    for command, said in (
        (("draw",), "no instance of the run is of this condition"),
        (("plot", "skip-share"), f"run {rest.id} has no patterns of this subtask and condition"),
        (("plot", "heads", "--role", "det"), "no words in the role 'det' of this subtask and condition"),
        (("plot", "margins"), "no choices between two candidates for this subtask and condition"),
    ):
        where = ("--store", place, "--subtask", SUBTASK, "--condition", CONDITION, "-o", out)
        assert said in " ".join(invoke(*command, *where, code=2).output.split())
    assert "unknown subtask" in invoke("plot", "skip-share", "--subtask", "x", "-o", out, code=2).output


def test_skip_shares_are_those_of_the_patterns_within_their_intervals(folder: Folder, store: Store) -> None:
    run = folder.runs[0]
    conditions = {i.id: i.condition for i in run.records("instances")}
    steps: dict[tuple[str, int], list[bool]] = defaultdict(list)
    for pattern in run.records("patterns"):
        for kind, layer, *_ in map(parse_label, pattern.route.split()):
            if kind in ("head", "skip"):
                steps[conditions[pattern.instance], layer].append(kind == "skip")
    found = skip_shares(store, run.run, by="condition")
    values = {(series.name, int(p.x)): p.value for series in found for p in series.points}
    assert values == pytest.approx({key: sum(skips) / len(skips) for key, skips in steps.items()})
    for series in found:
        for point in series.points:
            assert point.low is not None
            assert point.high is not None
            assert point.low < point.value < point.high
    assert [s.name for s in skip_shares(store, run.run)] == ["all instances"]


def test_the_map_of_heads_counts_the_patterns_through_each(folder: Folder, store: Store) -> None:
    run = folder.runs[0]
    patterns = [p for p in run.records("patterns") if p.level == "attention" and p.role == "subject"]
    through = Counter(
        (layer, head) for p in patterns for _, layer, _, head, _ in map(parse_label, p.route.split()) if head
    )
    found = head_map(store, run.run, role="subject")
    assert {
        (layer, head): share
        for layer, row in enumerate(found.shares, 1)
        for head, share in enumerate(row, 1)
        if share
    } == pytest.approx({key: count / len(patterns) for key, count in through.items()})
    assert (len(found.shares), len(found.shares[0])) == (run.run.layers, run.run.heads)


def test_margins_rise_to_the_share_of_choices_within_the_whole_qoi(folder: Folder, store: Store) -> None:
    run = folder.runs[0]
    qoi = {e.instance: abs(e.qoi) for e in run.records("predictions")}
    patterns = {p.id: p for p in run.records("patterns")}
    within: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for step in run.records("steps"):
        if step.margin is not None:
            pattern = patterns[step.pattern]
            layer = str(parse_label(step.node.rpartition("/")[2])[1])
            within[pattern.level, layer].append(step.margin <= 0.1 * qoi[pattern.instance])
    found = margin_panels(store, run.run)
    assert [title for title, _ in found] == ["embedding level", "attention level"]
    tenth = {
        (title.split()[0], series.name): next(p.value for p in series.points if p.x == 0.1)
        for title, panel in found
        for series in panel
    }
    assert tenth == pytest.approx({key: sum(close) / len(close) for key, close in within.items()})
    for _, panel in found:
        assert all(list(s.points) == sorted(s.points, key=lambda p: (p.x, p.value)) for s in panel)


# ---- entropy, from the measures of an evaluation


def test_panels_show_entropy_by_position_and_by_task(folder: Folder) -> None:
    run = folder.runs[0].run
    tasks = tasks_of([from_measures(run, measures(run.id, "obj", "subj", "wsc"))])
    by_position, by_task = entropy_panels(tasks, "subj")
    assert [panel.series[0].name for panel in by_position] == ["Πᵉ", "Πᵃ", "attention"]
    points_ = by_position[0].series[0].points
    assert [(p.x, p.label, p.is_marked) for p in points_] == [
        (at, word, word == "attractor") for at, word in enumerate(WORDS)
    ]
    assert [p.value for p in points_] == pytest.approx([0.4, 0.3, 0.5, 0.1])
    assert by_position[0].note.startswith("Πᵉ by position of subj\nr = ")
    assert "without attractors −1.00" in by_position[0].note
    tasks_ = by_task[0].series[0].points
    assert [(p.x, p.label) for p in tasks_] == [(5, "obj"), (4, "subj"), (3, "wsc")]
    assert [p.value for p in tasks_] == pytest.approx([0.1, 0.2, 0.3])
    assert by_task[0].note.startswith("Πᵉ by task\nr = −1.00 (p = 0.333)")  # 2 of the 6 orders are as extreme


def test_one_task_has_no_panel_by_task_and_two_have_no_correlation(folder: Folder) -> None:
    run = folder.runs[0].run
    one = tasks_of([from_measures(run, measures(run.id, ""))])
    assert len(entropy_panels(one)) == 1
    two = tasks_of([from_measures(run, measures(run.id, "obj", "subj"))])
    assert entropy_panels(two)[1][0].note == "Πᵉ by task\nr = –"
    with pytest.raises(UsageError, match=r"unknown evaluated task 'x'; valid, nearest first: obj, subj"):
        entropy_panels(two, "x")


def test_entropy_is_plotted_from_the_measures_in_the_store(own: Folder) -> None:
    run = own.runs[0].id
    assert "been evaluated" in invoke("plot", "entropy", "-o", "a.svg", code=2).output
    with open_store("ipgraph.db") as graph:
        graph.add_measures(run, measures(run, "obj", "subj"))
    invoke("plot", "entropy", "--task", "subj", "-o", "a.svg")
    written = Path("a.svg").read_text()
    assert written.count("attractor") >= 3
    assert "Πᵉ by position of subj" in written
