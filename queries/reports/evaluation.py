"""Reports on evaluations, made from stored measures: the paper's Table 1, and how good the search is."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ipgraph.extractor.methods.catalogue import COMPARABLE
from ipgraph.graphstore.schema.measures import ABLATED_ACCURACY, INSIDE, ONE_PER_WORD, MeasureKey
from ipgraph.queries.reports.declaration import Report, RunId
from ipgraph.queries.reports.parts import OUR_CHOICE
from ipgraph.queries.reports.published import MODELS, SKIP_SHARE, TABLE1, TASKS
from ipgraph.queries.reports.tables import Table, TableColumn, text
from ipgraph.queries.views.evaluated import (
    SETTINGS,
    SHORT,
    EvaluatedRun,
    Task,
    cypher_of,
    evaluated_runs,
    tasks_of,
)

if TYPE_CHECKING:
    from ipgraph.graphstore.schema.records import Run
    from ipgraph.graphstore.store.protocol import Store

E, A = "embedding", "attention"
TARGETS = ("dropped", "kept")


class Row(NamedTuple):
    """A row of a table of estimates: what it is called, and the measure that it shows."""

    label: str
    key: MeasureKey


def _methods() -> Iterator[tuple[str, str, str]]:
    compared = sorted(COMPARABLE.values(), key=lambda method: method.name != "random")
    for level in (E, A):
        yield f"Pi_+^{level[0]}", "gpr", level
        for method in compared:
            if level in method.levels:
                yield f"{method.title}^{level[0]}", method.name, level
        yield f"target's column alone^{level[0]}", "target_column", level
    yield "every node (original)", "original", ""
    yield "no node", "nothing", ""


METHODS = tuple(_methods())
"""The methods in the paper's order: what they are called, and the name and level they are measured under."""
FIXED = ("target_column", "original", "nothing")


def table1(store: "Store", *, run: RunId = "") -> list[Table]:
    """The paper's Table 1 for the evaluated runs, and as it was printed."""
    return table1_of(evaluated_runs(store, run))


def table1_of(evaluated: Iterable[EvaluatedRun]) -> list[Table]:
    """Return Table 1 of evaluated runs: accuracies under both readings, the other estimates, the paper's."""
    tasks = tasks_of(evaluated)
    accuracy = f"{_ACCURACY}; {runs_note(tasks)}"
    return [
        *(
            estimates_table(f"Ablated accuracy, target {target}", _accuracies(target), tasks, accuracy)
            for target in TARGETS
        ),
        estimates_table("Concentration, share, alignment", _others(), tasks, _SHARES),
        estimates_table("Nodes kept beside sources and target", _sizes(), tasks, _SIZES),
        published(),
    ]


_ACCURACY = (
    "accuracy: share of instances on which the model is right, or without a label says what it says "
    "unablated; sources: words with g >= 0; 95% bootstrap intervals over instances (every digit: --format "
    "json); target: its own column is dropped ([MASK] has g = 0; a decoder's word leaves Pi_+), "
    "or kept in every layer (its embeddings and, at the attention level, its skips)†; a first position "
    "that is held stays in every ablation†; every method keeps as many nodes per layer as Pi_+: the "
    f"union of its paths, cut or filled by its own node score†; {OUR_CHOICE}"
)
_SHARES = (
    "concentration: sum of I / sum of g over the words of one sign, per instance, then averaged†; share: of "
    "all paths to the target, counting one path per word, or all paths inside the kept nodes (neither is the "
    "printed one); alignment: share of head nodes that are the head attending most; skip share: of all steps "
    f"through a skip or head, and of those that stay at their position; {OUR_CHOICE}"
)
_SIZES = (
    "the methods above keep as many nodes as Pi_+; own: the nodes of all of a method's paths, and the "
    "accuracy with those alone; sd: over random draws (at the attention level heads and skips are drawn "
    f"among those that enter the drawn embeddings†); {OUR_CHOICE}"
)


def _accuracies(target: str) -> list[Row]:
    key = MeasureKey(ABLATED_ACCURACY, "", "")
    return [
        Row(label, key._replace(method=method, level=level, target="" if method in FIXED else target))
        for label, method, level in METHODS
    ]


def _others() -> list[Row]:
    return [
        *(
            Row(
                f"concentration: {label.replace('+', sign)}",
                MeasureKey(f"concentration_{name}", method, level),
            )
            for label, method, level in METHODS
            for name, sign in (("positive", "+"), ("negative", "-"))
            if method not in FIXED and (method == "gpr" or name == "positive")
        ),
        *(
            Row(
                f"share: Pi_+^{level[0]}, {counting}",
                MeasureKey("path_share", "gpr", level, counting=counting),
            )
            for level in (E, A)
            for counting in (ONE_PER_WORD, INSIDE)
        ),
        Row("alignment", MeasureKey("alignment", "gpr", A)),
        Row("skip share", MeasureKey("skip_share", "gpr", A)),
        Row("skip share, staying", MeasureKey("skip_share_of_stays", "gpr", A)),
    ]


def _sizes() -> Iterator[Row]:
    for target in TARGETS:
        for label, method, level in METHODS:
            nodes = MeasureKey("nodes_kept", method, level, target=target)
            if method in ("gpr", "skip_replaced"):
                yield Row(f"{label}: nodes, target {target}", nodes)
            elif method == "random":
                yield Row(f"{label}: sd, target {target}", nodes._replace(metric="ablated_accuracy_sd"))
            elif method not in FIXED:
                natural = nodes._replace(size="natural")
                yield Row(f"{label}: own nodes, target {target}", natural)
                accuracy = natural._replace(metric=ABLATED_ACCURACY)
                yield Row(f"{label}: own accuracy, target {target}", accuracy)


def published() -> Table:
    """Return the paper's own Table 1, marked as such."""
    columns = (text("measure"), *(TableColumn(task, "g", "right") for task in TASKS))
    rows: list[list[object]] = [[label, *values] for label, values in TABLE1.items()]
    note = (
        f"for comparison: {MODELS}, other weights than any above; alignment's chance is 1/8; "
        f"skip share over all tasks {SKIP_SHARE}"
    )
    return Table("As printed by Lu et al. (2021), Table 1", columns, rows, note)


def optimality(store: "Store", *, run: RunId = "") -> list[Table]:
    """How good the greedy search is: beside wider searches, random patterns and several nodes per layer."""
    return optimality_of(evaluated_runs(store, run))


SEARCHES = {
    "greedy_missed": "share of words where a better path was found",
    "greedy_share_of_best": "influence of greedy paths / of the best found",
    "beats_random": "share of words whose path beats all random ones",
    "z_over_random": "z-score over random paths",
}


def optimality_of(evaluated: Iterable[EvaluatedRun]) -> list[Table]:
    """Return what wider searches, random patterns and several nodes per layer came to."""
    tasks = tasks_of(evaluated)
    keys = sorted({key for task in tasks for key in task.keys})
    tables = [
        estimates_table(
            "Greedy patterns and wider searches", _searches(keys), tasks, _SEARCH + _draws(tasks, keys)
        ),
        estimates_table("Several nodes per layer", _several(keys), tasks, _SEVERAL + runs_note(tasks)),
    ]
    return [table for table in tables if table.rows] or [Table.of(_NOT_SEARCHED, ["measure"], [])]


def _searches(keys: Sequence[MeasureKey]) -> Iterator[Row]:
    for metric, what in SEARCHES.items():
        for key in keys:
            if key.metric == metric:
                search = {"beam": f", beam={key.beam}", "exhaustive": ", exhaustive"}.get(key.search, "")
                yield Row(f"{what}, {key.level}{search}", key)


def _several(keys: Sequence[MeasureKey]) -> Iterator[Row]:
    """Yield what was measured with several nodes per layer, and before it the same with one."""
    several = {key._replace(k=1) for key in keys if key.k > 1}
    for key in keys:
        if key._replace(k=1) in several:
            target = f"target={key.target} " if key.target else ""
            yield Row(f"{key.metric.replace('_', ' ')}, {key.level}, {target}k={key.k}", key)


def _draws(tasks: Sequence[Task], keys: Iterable[MeasureKey]) -> str:
    """Return a note on how many random paths there are per word, and on the runs."""
    drawn = [key for key in keys if key.search == "random"]
    paths = {
        f"{task.name} {estimate.draws:,}"
        for task in tasks
        for key in drawn
        if (estimate := task.estimate(key))
    }
    said = f"random paths per word: {', '.join(sorted(paths))}; " if paths else ""
    return said + runs_note(tasks)


_SEARCH = (
    "better: by more than 1e-4 of its influence; at the attention level the hops along each word's own "
    f"embedding pattern are searched, or drawn at random†; z: median over words; {OUR_CHOICE}; "
)
_SEVERAL = (
    "each layer keeps its k best nodes (positions; at the attention level heads and skips into them), and "
    "influence sums over all paths through them (the paper's footnote 2); "
)
_NOT_SEARCHED = (
    "Nothing was searched: `ipgraph evaluate` searches with --beam, --random-patterns or --nodes-per-layer"
)


def estimates_table(title: str, rows: Iterable[Row], tasks: Sequence[Task], note: str) -> Table:
    """Return estimates as a table with a column per task; rows that no task has are left out.

    The note begins with how many instances are behind each task's estimates.
    """
    cells: list[list[object]] = []
    behind: list[set[int]] = [set() for _ in tasks]
    for row in rows:
        estimates = [task.estimate(row.key) for task in tasks]
        if any(estimates):
            cells.append([row.label, *estimates])
        for counts, estimate in zip(behind, estimates, strict=True):
            if estimate:
                counts.add(estimate.instances)
    columns = (text("measure"), *(text(task.name) for task in tasks))
    said = [f"{task.name} {_instances(counts)}" for task, counts in zip(tasks, behind, strict=True) if counts]
    whole = f"instances: {', '.join(said)}; {note}" if said else note
    return Table(title, columns, cells, whole, cypher_of(tasks))


def _instances(counts: set[int]) -> str:
    """Return how many instances are behind estimates: `200`, or `180 to 200`."""
    return " to ".join(f"{n:,}" for n in sorted({min(counts), max(counts)}))


def runs_note(tasks: Sequence[Task]) -> str:
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


REPORTS = (
    Report("table1", "Table 1", table1, needs="evaluation"),
    Report("optimality", "Optimality", optimality, needs="evaluation"),
)
