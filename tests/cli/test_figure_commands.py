"""`ipgraph draw` on a store, against edges counted in plain Python from the rows; the page on figures."""

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
from support.cli_runs import Folder, folder, invoke, own, shared_folder
from support.drawings import SVG, drawn

from ipgraph.cli.app import app
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.labels import parse_label
from ipgraph.graphstore.schema.records import Pattern

__all__ = ["folder", "own", "shared_folder"]

DOCS = Path(__file__).parents[2] / "docs"
SUBTASK, CONDITION = "object-relative-across", "singular-plural"


def hops(pattern: Pattern) -> set[str]:
    """Return a pattern's hops as the ids of their edges."""
    sign = "positive" if pattern.sign > 0 else "negative"
    edge_ids, source, through = set(), pattern.position, "hop"
    for label in pattern.route.split()[1:]:
        kind, layer, position, head, _ = parse_label(label)
        if kind == "embedding":
            edge_ids.add(f"edge-{layer}-{source}-{position}-{through}-{sign}")
            source, through = position, "hop"
        else:
            through = "skip" if kind == "skip" else str(head)
    return edge_ids


def edges(run: RunDirectory, instance: str, level: str, threshold: float) -> set[str]:
    patterns = [p for p in run.records("patterns") if p.instance == instance and p.level == level]
    least = threshold * sum(abs(p.total_influence) for p in patterns)
    return set().union(*(hops(p) for p in patterns if abs(p.total_influence) >= least))


@pytest.mark.parametrize(
    ("level", "threshold"), [("attention", 0.05), ("embedding", 0.2), ("attention", 0.0)]
)
def test_draw_draws_the_edges_of_the_instances_in_the_order_given(
    folder: Folder, tmp_path: Path, level: str, threshold: float
) -> None:
    run = folder.runs[0]
    first, second = [i.id for i in run.records("instances")][:2]
    out = tmp_path / "two.svg"
    where = ("--run", run.id, "--level", level, "--threshold", str(threshold))
    assert invoke("draw", second, first, "-o", str(out), *where).output == f"wrote {out}\n"
    assert drawn(out, "a") == edges(run, second, level, threshold)
    assert drawn(out, "b") == edges(run, first, level, threshold)


def test_two_runs_of_one_instance_stand_side_by_side_under_their_names(
    folder: Folder, tmp_path: Path
) -> None:
    instance = next(iter(folder.runs[0].records("instances"))).id
    out, ids = tmp_path / "runs.svg", [run.id for run in folder.runs]
    named = [option for name in (*ids, ids[0][:9]) for option in ("--run", name)]  # one of them twice
    invoke("draw", instance, "-o", str(out), *named)
    for panel, run in zip("ab", folder.runs, strict=True):
        assert drawn(out, panel) == edges(run, instance, "attention", 0.05)
    text = out.read_text()
    # Method and model are the same: only the id tells them apart.
    assert [text.count(f")  {id_}: ") for id_ in ids] == [1, 1]


def test_a_condition_is_drawn_with_the_edges_of_enough_of_its_instances(
    folder: Folder, tmp_path: Path
) -> None:
    run, out = folder.runs[0], tmp_path / "condition.svg"
    where = ("--subtask", SUBTASK, "--min-share", "0.5", "--run", run.id)
    invoke("draw", "--condition", CONDITION, "-o", str(out), *where)
    ids = [i.id for i in run.records("instances") if (i.subtask, i.condition) == (SUBTASK, CONDITION)]
    taken = Counter(edge for id_ in ids for edge in edges(run, id_, "attention", 0.05))
    assert drawn(out) == {edge for edge, count in taken.items() if count >= 0.5 * len(ids)} != set()


def widths(path: Path) -> dict[str, float]:
    """Return the width in points of each edge of an SVG's first panel."""
    root = ElementTree.parse(path).getroot()  # noqa: S314
    groups = {g.get("id", ""): g.find(f"{SVG}path") for g in root.iter(f"{SVG}g")}
    styles = {
        name[2:]: path.get("style", "")
        for name, path in groups.items()
        if "-edge-" in name and path is not None
    }
    return {
        name: float((re.findall(r"stroke-width: ([\d.]+)", style) or ["1"])[0])
        for name, style in styles.items()
    }


def influences(run: RunDirectory, condition: str) -> dict[str, float]:
    """Return each edge's mean over a condition's instances of the |I| of their drawn patterns through it."""
    chosen = [i.id for i in run.records("instances") if (i.subtask, i.condition) == (SUBTASK, condition)]
    sums: Counter[str] = Counter()
    for id_ in chosen:
        patterns = [p for p in run.records("patterns") if (p.instance, p.level) == (id_, "attention")]
        least = 0.05 * sum(abs(p.total_influence) for p in patterns)
        for pattern in patterns:
            if abs(pattern.total_influence) >= least:
                sums.update(dict.fromkeys(hops(pattern), abs(pattern.influence)))
    return {edge: total / len(chosen) for edge, total in sums.items()}


def as_drawn(weights: dict[str, float]) -> dict[str, float]:
    """Return weights as widths: .5 points for none, 3.2 for the greatest."""
    return {edge: 0.5 + 2.7 * weight / max(weights.values()) for edge, weight in weights.items()}


def test_the_width_of_an_edge_is_the_mean_influence_through_it(folder: Folder, tmp_path: Path) -> None:
    run, out = folder.runs[0], tmp_path / "all.svg"
    where = ("--subtask", SUBTASK, "--min-share", "0", "--run", run.id, "-o", str(out))
    invoke("draw", "--condition", CONDITION, *where)
    assert widths(out) == pytest.approx(as_drawn(influences(run, CONDITION)), abs=1e-4)


def test_a_difference_is_drawn_with_its_sign_and_size(folder: Folder, tmp_path: Path) -> None:
    run, out, other = folder.runs[0], tmp_path / "difference.svg", "plural-singular"
    where = ("--subtask", SUBTASK, "--min-share", "0", "--run", run.id, "-o", str(out))
    invoke("draw", "--condition", CONDITION, "--versus", other, *where)
    apart: dict[str, float] = defaultdict(float)
    for sign, condition in ((1, CONDITION), (-1, other)):
        for edge, weight in influences(run, condition).items():
            apart[edge.rpartition("-")[0]] += sign * weight
    signed = {f"{e}-{'positive' if d > 0 else 'negative'}": abs(d) for e, d in apart.items() if d}
    assert widths(out) == pytest.approx(as_drawn(signed), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "a.svg"), "give either instances"),
        (("x", "--condition", "y", "-o", "a.svg"), "give either instances"),
        (("nowhere", "-o", "a.svg"), "has no instance 'nowhere'"),
        (("x", "-o", "a.jpg"), "must end in .svg, .pdf, .png"),
        (("x", "-o", "a.svg", "--level", "word"), "unknown level 'word'"),
        (("--condition", "nowhere", "-o", "a.svg"), "unknown condition 'nowhere' in run"),
        (("--condition", CONDITION, "-o", "a.svg"), "of 2 structures"),
        (
            ("x", "--subtask", "y", "-o", "a.svg"),
            "--subtask, --min-share and --versus can be used with --condition only",
        ),
        (
            ("x", "--min-share", "0", "-o", "a.svg"),
            "--subtask, --min-share and --versus can be used with --condition only",
        ),
        (("--condition", "a", "--condition", "b", "--versus", "c", "-o", "a.svg"), "exactly one --condition"),
        (("x", "-o", "a.svg", "--width", "nan"), "nan; a figure must be 1.5 to 60 inches wide"),
    ],
)
def test_what_cannot_be_drawn_is_said(folder: Folder, arguments: tuple[str, ...], message: str) -> None:
    assert message in " ".join(invoke("draw", *arguments, code=2).output.split())
    assert not Path("a.svg").exists()


def test_a_file_that_cannot_be_written_is_said(folder: Folder) -> None:
    instance = next(iter(folder.runs[0].records("instances"))).id
    assert (
        "the folder nowhere does not exist" in invoke("draw", instance, "-o", "nowhere/a.svg", code=2).output
    )
    for out, said in (("runs", "runs is a folder"), ("store.db", "name a file that ends in .html")):
        assert said in invoke("report", "html", "-o", out, code=2).output


# ---- the page on figures


def test_the_picture_in_the_docs_is_what_its_commands_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPGRAPH_STORE", raising=False)
    page = (DOCS / "figures.md").read_text()
    Path("figure3.jsonl").write_text(page.partition("```json\n")[2].partition("```")[0])
    quoted = page.partition("```console\n")[2].partition("```")[0].splitlines()
    for line in quoted:
        invoke(*line.removeprefix("$ ipgraph ").split())
    for panel in "ab":
        shown, now = drawn(DOCS / "figures" / "figure3.svg", panel), drawn(Path("figure3.svg"), panel)
        assert len(shown & now) >= 0.9 * len(
            shown | now
        )  # another processor may take another of two equal ways


def test_the_page_names_every_option_of_draw_and_every_plot() -> None:
    page = (DOCS / "figures.md").read_text()
    group: Any = typer.main.get_command(app)
    context = typer.Context(group)
    named = [
        option
        for p in group.get_command(context, "draw").params
        for option in p.opts
        if option.startswith("--")
    ]
    plots = group.get_command(context, "plot").list_commands(context)
    specific = [name for name in named if name not in ("--store", "--output", "--help")]
    assert [name for name in specific if f"`{name}" not in page] == []
    assert [name for name in plots if f"`plot {name}`" not in page] == []
