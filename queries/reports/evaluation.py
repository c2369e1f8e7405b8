"""Reports on evaluations, made from stored measures: the paper's Table 1, and how good the search is."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ipgraph.queries.reports.published import MODELS, SKIP_SHARE, TABLE1, TASKS
from ipgraph.queries.reports.tables import Table, TableColumn, text
from ipgraph.queries.views.evaluated import (
    SETTINGS,
    SHORT,
    Column,
    Evaluated,
    cypher_of,
    evaluated_runs,
    task_columns,
)

if TYPE_CHECKING:
    from ipgraph.graphstore.schema.records import Run
    from ipgraph.graphstore.store.protocol import Store

E, A = "embedding", "attention"


class Row(NamedTuple):
    """A row of a table of figures: what it says, and the measure that it shows."""

    label: str
    metric: str
    method: str
    level: str
    variant: str = ""


METHODS = (
    ("Pi_+^e", "gpr", E),
    ("random^e", "random", E),
    ("attention^e", "attention", E),
    ("attention (head max)^e", "attention_max", E),
    ("conductance^e", "conductance", E),
    ("internal influence^e", "internal_influence", E),
    ("internal influence (L2)^e", "internal_influence_l2", E),
    ("target's column alone^e", "target_column", E),
    ("Pi_+^a", "gpr", A),
    ("random^a", "random", A),
    ("skips replaced^a", "skip_replaced", A),
    ("target's column alone^a", "target_column", A),
    ("every node (original)", "original", ""),
    ("no node", "nothing", ""),
)
"""The methods in the paper's order: what they are called, and the name and level they are measured under."""
FIXED = ("target_column", "original", "nothing")


def table1(store: "Store", *, run: str = "") -> list[Table]:
    """The paper's Table 1 for the evaluated runs, and as it was printed."""
    return table1_of(evaluated_runs(store, run))


def table1_of(evaluated: Iterable[Evaluated]) -> list[Table]:
    """Return Table 1 of evaluated runs: accuracies under both readings, other figures, sizes, the paper's."""
    tasks = task_columns(evaluated)
    note = (
        "accuracy: share of instances on which the model is right, or without a label says what it says "
        "unablated; sources: words with g >= 0; 95% bootstrap intervals over instances (every digit: "
        f"--format json); {runs_note(tasks)}"
    )
    return [
        *(
            figures_table(f"Ablated accuracy, target {r}", _accuracies(r), tasks, _READING + note)
            for r in ("dropped", "kept")
        ),
        figures_table("Concentration, share, alignment", _others(), tasks, _SHARES),
        figures_table("Nodes kept beside sources and target", _sizes(), tasks, _SIZES),
        published(),
    ]


_READING = (
    "(O) two readings of the target's own column, which has g = 0: dropped, or kept in every layer (its "
    "embeddings and, at the attention level, its skips); (O) every method keeps as many nodes a layer as "
    "Pi_+: its united paths, cut or filled by its own node score; "
)
_SHARES = (
    "concentration: sum of I / sum of g over the words of one sign, per instance, then averaged (O); share: "
    "of all paths to the target, counting one path a word, or all paths inside the kept nodes (neither is "
    "the printed one); alignment: share of head nodes that are the head attending most; skip share: of all "
    "steps through a skip or head, and of those that stay at their position"
)
_SIZES = (
    "Pi_+ keeps as many, and so do the methods above; own: what a method's united paths hold, and the "
    "accuracy with those alone; sd: over random draws (O: at the attention level heads and skips are drawn "
    "among those that enter the drawn embeddings)"
)


def _accuracies(reading: str) -> list[Row]:
    return [
        Row(label, "ablated_accuracy", method, level, "" if method in FIXED else f"target={reading}")
        for label, method, level in METHODS
    ]


def _others() -> list[Row]:
    rows = [
        Row(f"concentration: {label.replace('+', sign)}", f"concentration_{name}", method, level)
        for label, method, level in METHODS
        for name, sign in (("positive", "+"), ("negative", "-"))
        if method not in FIXED and (method == "gpr" or name == "positive")
    ]
    rows += [
        Row(f"share: Pi_+^{level[0]}, {variant}", "path_share", "gpr", level, f"counting={variant}")
        for level in (E, A)
        for variant in ("one path a word", "inside")
    ]
    return [
        *rows,
        Row("alignment", "alignment", "gpr", A),
        Row("skip share", "skip_share", "gpr", A),
        Row("skip share, staying", "skip_share_of_stays", "gpr", A),
    ]


def _sizes() -> Iterator[Row]:
    for reading in ("dropped", "kept"):
        for label, method, level in METHODS:
            if method in ("gpr", "skip_replaced"):
                yield Row(
                    f"{label}: nodes, target {reading}", "nodes_kept", method, level, f"target={reading}"
                )
            elif method == "random":
                sd = "ablated_accuracy_sd"
                yield Row(f"{label}: sd, target {reading}", sd, method, level, f"target={reading}")
            elif method not in FIXED:
                for metric, what in (("nodes_kept", "nodes"), ("ablated_accuracy", "accuracy")):
                    variant = f"target={reading} size=natural"
                    yield Row(f"{label}: own {what}, target {reading}", metric, method, level, variant)


def published() -> Table:
    """Return the paper's own Table 1, marked as such."""
    columns = (text("figure"), *(TableColumn(task, "g", "right") for task in TASKS))
    rows: list[list[object]] = [[label, *values] for label, values in TABLE1.items()]
    note = (
        f"for comparison: {MODELS}, other weights than any above; alignment's chance is 1/8; "
        f"skip share over all tasks {SKIP_SHARE}"
    )
    return Table("As printed by Lu et al. (2021), Table 1", columns, rows, note)


def optimality(store: "Store", *, run: str = "") -> list[Table]:
    """How good the greedy search is: beside wider searches, random patterns and several nodes a layer."""
    return optimality_of(evaluated_runs(store, run))


SEARCHES = {
    "greedy_missed": "share of words where a better path was found",
    "greedy_share_of_best": "influence of greedy paths / of the best found",
    "beats_random": "share of words whose path beats all random ones",
    "z_over_random": "z-score over random paths",
}


def optimality_of(evaluated: Iterable[Evaluated]) -> list[Table]:
    """Return what wider searches, random patterns and several nodes a layer came to."""
    tasks = task_columns(evaluated)
    asked = sorted({(k.metric, k.level, k.variant) for task in tasks for k in task.evaluated.figures})
    searched = [
        Row(f"{SEARCHES[metric]}, {level}, {variant}", metric, "gpr", level, variant)
        for metric in SEARCHES
        for other, level, variant in asked
        if other == metric
    ]
    several = [
        Row(f"{metric.replace('_', ' ')}, {level}, {variant}", metric, "gpr", level, variant)
        for metric, level, variant in asked
        if "k=" in variant
    ]
    tables = [
        figures_table("Greedy patterns and wider searches", searched, tasks, _SEARCH + runs_note(tasks)),
        figures_table("Several nodes a layer", several, tasks, _SEVERAL + runs_note(tasks)),
    ]
    return [table for table in tables if table.rows] or [Table.of(_NOT_SEARCHED, ["figure"], [])]


_SEARCH = (
    "better: by more than 1e-4 of its influence; (O) at the attention level the hops along each word's own "
    "embedding pattern are searched, or drawn at random; z: median over words; "
)
_SEVERAL = (
    "each layer keeps its k best nodes (positions; at the attention level heads and skips into them), and "
    "influence sums over all paths through them (the paper's footnote 2); "
)
_NOT_SEARCHED = (
    "Nothing searched: `ipgraph evaluate` does so with --beam, --random-patterns or --nodes-per-layer"
)


def figures_table(title: str, rows: Iterable[Row], tasks: Sequence[Column], note: str) -> Table:
    """Return figures as a table of a column a task; rows that no task has are left out.

    The note begins with how many instances are behind each task's figures.
    """
    cells: list[list[object]] = []
    behind: list[set[int]] = [set() for _ in tasks]
    for row in rows:
        figures = [task.figure(*row[1:]) for task in tasks]
        if any(figures):
            cells.append([row.label, *figures])
        for counts, figure in zip(behind, figures, strict=True):
            if figure:
                counts.add(figure.instances)
    columns = (text("figure"), *(text(task.name) for task in tasks))
    said = [f"{task.name} {_instances(counts)}" for task, counts in zip(tasks, behind, strict=True) if counts]
    whole = f"instances: {', '.join(said)}; {note}" if said else note
    return Table(title, columns, cells, whole, cypher_of(tasks))


def _instances(counts: set[int]) -> str:
    """Return how many instances are behind figures: `200`, or `180 to 200`."""
    return " to ".join(f"{n:,}" for n in sorted({min(counts), max(counts)}))


def runs_note(tasks: Sequence[Column]) -> str:
    """Return which runs the tasks are of, in what their settings differ, and which runs are left out."""
    shown = {task.evaluated.run.id: task.evaluated for task in tasks}.values()
    differing = [name for name in SETTINGS if len({getattr(e.run, name) for e in shown}) > 1]
    said = [_run_note(e.run, differing) for e in shown]
    left_out = [run[:SHORT] for e in shown for run in e.left_out]
    if left_out:
        said.append(
            "left out, since runs of the same model and settings with all of their instances are shown: "
            f"{len(left_out)} evaluated {'run' if len(left_out) == 1 else 'runs'} ({', '.join(left_out)})"
        )
    return "; ".join(said)


def _run_note(run: "Run", settings: Iterable[str]) -> str:
    said = "".join(f", {name} {getattr(run, name)}" for name in settings)
    return f"run {run.id}: {run.instances:,} instances of {run.dataset}, {run.model_name}{said}"
