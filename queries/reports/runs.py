"""Reports on one run: at a glance, and how far its numbers can be trusted."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, cast

from ipgraph.graphstore.common.bootstrap import Interval, share_interval
from ipgraph.graphstore.schema.qoi import with_classes
from ipgraph.graphstore.schema.records import Level, Run, levels_of
from ipgraph.queries.language.binding import resolve_level, resolve_run
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, Record, Rows, ask
from ipgraph.queries.reports.declaration import AtLevel, Condition, Limit, Report, RunId, Subtask
from ipgraph.queries.reports.nodes import NOTE, structures, structures_table
from ipgraph.queries.reports.parts import ACCURACY, OUR_CHOICE, as_table
from ipgraph.queries.reports.paths import skip_records, top_heads
from ipgraph.queries.reports.sample import INTERVALS, Sample, intervals
from ipgraph.queries.reports.tables import Table, count, number, share, signed, text
from ipgraph.queries.reports.words import concentrations

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

Cells = list[list[object]]
Groups = Sequence[tuple[tuple[str, str], list[Record]]]

LARGE_ERROR = 0.05
"""A completeness error above this share of |qoi - qoi at the baseline| is flagged."""
CLOSE = "close"
WITHIN = {
    CLOSE: "close",
    "within_1e_5": "within 1e-5",
    "within_1e_4": "within 1e-4",
    "within_1e_3": "within 1e-3",
    "within_1e_2": "within 1%",
    "within_1e_1": "within 10%",
}
"""Columns of the query `margins-by-instance`, and what each counts."""
MOST_ROWS = 8
"""Longer tables of conditions are summed up by subtask, so that an overview stays on one screen."""


def overview(store: "Store", *, run: RunId = "") -> list[Table]:
    """One screen: the run, model accuracy, skips and heads, entropy, and what to be careful about.

    Of a run whose method gives no paths: the run, model accuracy, and how complete its scores are.
    """
    record = resolve_run(store, run)
    outcomes = ask("outcomes", store, run=record.id, limit=NO_LIMIT)
    if not record.level:
        return [facts(record), _accuracy(outcomes), *_completeness(record, outcomes)]
    level = cast("Level", resolve_level([record]))
    sample = Sample.of(store, run=record.id, level=level)
    tables = [facts(record), _accuracy(outcomes), _findings(store, record, level, sample, outcomes)]
    if level == "attention":
        tables.append(_top_heads(store, record))
    found = structures(store, record, level, sample, largest=True)
    tables.append(structures_table(found, f"{level} level, the largest structure of each subtask; {NOTE}"))
    return tables


def facts(run: Run) -> Table:
    """Return what a run is: its model, dataset, method and quantity of interest, and what it has."""
    skipped = f" ({run.skipped:,} more could not be used)" if run.skipped else ""
    rows = [
        ["model", f"{run.model_name} ({run.layers} layers, {run.heads} heads; {run.model})"],
        ["dataset", f"{run.dataset}: {run.instances:,} instances{skipped}"],
        ["method", ", ".join([run.method, *_settings(run)])],
        ["quantity of interest", with_classes(run.qoi, run.classes)],
        ["patterns", f"{run.patterns:,} patterns, {run.steps:,} steps in all"]
        if run.level
        else ["scores", "one per token, no patterns"],
    ]
    return Table.of(f"Run {run.id}", ["what", "value"], rows)


def _settings(run: Run) -> Iterator[str]:
    """Yield what a run's method was asked for, as far as it takes it."""
    if run.level:
        yield f"{' and '.join(levels_of(run.level))} level"
    if run.baseline:
        yield f"{_points(run)} from {run.baseline}" if run.quadrature else f"from {run.baseline}"
        if not run.move_first:
            yield "the first token held"
    if run.at:
        yield f"at the {run.at} embeddings"
    if run.position_correction not in ("", "none"):
        yield f"corrected by {run.position_correction}"


def _points(run: Run) -> str:
    if run.tolerance is None:
        return f"{run.n_steps} {run.quadrature} points"
    return f"{run.quadrature} points to a tolerance of {run.tolerance:.2g}"


def _accuracy(outcomes: Rows) -> Table:
    columns = (
        text("subtask"),
        text("condition"),
        share("accuracy"),
        number("mean QoI", 2),
        count("instances"),
    )
    groups: dict[tuple[str, str], list[Record]] = {}
    for row in outcomes:
        groups.setdefault((row["subtask"], row["condition"]), []).append(row)
    rows = sorted(groups.items())
    if len(rows) > MOST_ROWS:
        rows = list(_by_subtask(rows))
    every = outcomes.records()
    cells = [[*names, *_right_and_qoi(group), len(group)] for names, group in [*rows, (("all", ""), every)]]
    note = ACCURACY
    if (labelled := sum(row["is_labelled"] for row in every)) < len(every):
        note += f": {labelled:,} of {len(every):,} have a label in the dataset"
    return Table("Model accuracy", columns, cells, f"{note}; {INTERVALS}", outcomes.cypher)


def _by_subtask(groups: Groups) -> Iterator[tuple[tuple[str, str], list[Record]]]:
    for subtask, conditions in groupby(groups, key=lambda one: one[0][0]):
        of_subtask = [rows for _, rows in conditions]
        yield (subtask, f"{len(of_subtask)} conditions"), [row for rows in of_subtask for row in rows]


def _right_and_qoi(outcomes: Sequence[Record]) -> list[object]:
    """Return the share right of the labelled instances and the mean QoI, with their intervals."""
    labelled = [row["is_labelled"] for row in outcomes]
    right = [[row["is_labelled"] and row["is_correct"]] for row in outcomes]
    qoi = [[row["qoi"]] for row in outcomes]
    return [*intervals(right, labelled), *intervals(qoi)]


def _findings(store: "Store", run: Run, level: Level, sample: Sample, outcomes: Rows) -> Table:
    rows = _skips(sample) if level == "attention" else []
    rows += _concentration(sample)
    rows += _large_errors(run, outcomes)
    rows += _close_choices(store, run, level)
    columns = (text("finding"), share("value"))
    return Table("Findings", columns, rows, f"{level} level; {sample.note(OUR_CHOICE)}")


def _skips(sample: Sample) -> Cells:
    rows: Cells = []
    for row in skip_records(sample, ()):
        skips, staying = row["skip_share"], row["skip_share_staying"]
        per_head = row["skips"] / max(1, row["heads"])
        rows.append([f"{skips.value:.1%} of all steps are skip connections, {per_head:.2f} per head", skips])
        if staying is not None:
            finding = "When a path stays on its word, it uses the skip connection"
            rows.append([f"{finding} {staying.value:.1%} of the time", staying])
    return rows


def _concentration(sample: Sample) -> Cells:
    rows: Cells = []
    for row in concentrations(sample):
        sign = "positive" if row["sign"] == 1 else "negative"
        share = row["concentration"]
        rows.append([f"The paths of {sign} words carry {share.value:.1%} of their influence (mean)†", share])
    return rows


def _large_errors(run: Run, outcomes: Rows) -> Cells:
    if run.tolerance is not None:
        which = f"did not settle within {run.tolerance:.2g} of the change in QoI"
        unsettled = run.unsettled or 0
        return [
            [
                f"{unsettled:,} of {run.instances:,} instances {which}",
                share_interval(unsettled, run.instances),
            ]
        ]
    changes = [(row["total_influence"], row["change"]) for row in outcomes if row["change"] is not None]
    flagged = sum(abs(total - change) > LARGE_ERROR * abs(change) for total, change in changes)
    which = f"a completeness error above {LARGE_ERROR:.0%} of the change in QoI"
    whole = share_interval(flagged, len(outcomes))
    return [[f"{flagged:,} of {len(outcomes):,} instances have {which}†", whole]]


def _completeness(run: Run, outcomes: Rows) -> list[Table]:
    """Return what is to be said of the completeness of a run without paths, nothing without a baseline."""
    if all(row["change"] is None for row in outcomes):
        return []
    columns = (text("finding"), share("value"))
    return [Table("Findings", columns, _large_errors(run, outcomes), f"{OUR_CHOICE}; {INTERVALS}")]


def _close_choices(store: "Store", run: Run, level: Level) -> Cells:
    margins = ask("margins-by-instance", store, run=run.id, level=level, limit=NO_LIMIT)
    closeness = _closeness(margins, lambda _: 0)
    if not closeness:
        return []
    [(_, choices, shares)] = closeness
    close = shares[CLOSE]
    what = "choices beat the runner-up by less than the completeness error or 0.1% of |QoI|†"
    return [[f"{close.value:.1%} of {choices:,} {what}", close]]


def _closeness(margins: Rows, group: Callable[[Record], int]) -> list[tuple[int, int, dict[str, Interval]]]:
    """Return, of each group of choices, how many there are and the share within each bound."""
    import numpy as np

    numbers: dict[str, int] = {}
    found: dict[int, dict[str, Any]] = {}
    rows = margins.records()
    for row in rows:
        numbers.setdefault(row["instance"], len(numbers))
    for row in rows:
        sums = found.setdefault(group(row), {name: np.zeros(len(numbers)) for name in ("choices", *WITHIN)})
        for name, values in sums.items():
            values[numbers[row["instance"]]] += row[name]
    shown = []
    for key, sums in sorted(found.items()):
        shares = intervals(np.array([sums[name] for name in WITHIN]).T, sums["choices"])
        known = {name: one for name, one in zip(WITHIN, shares, strict=True) if one is not None}
        shown.append((key, int(sums["choices"].sum()), known))
    return shown


def _top_heads(store: "Store", run: Run) -> Table:
    sample = Sample.of(store, run=run.id, level="attention", by="role")
    return top_heads(sample, "count", 5)


def quality(
    store: "Store",
    *,
    run: RunId = "",
    level: AtLevel = "",
    subtask: Subtask = "",
    condition: Condition = "",
    threshold: Annotated[
        float, "Completeness error, as a share of the change in QoI, to list an instance."
    ] = LARGE_ERROR,
    limit: Limit = 20,
) -> list[Table]:
    """Instances with a large completeness error, and how close the choices of nodes were."""
    record = resolve_run(store, run)
    where: Parameters = {"run": record.id, "subtask": subtask, "condition": condition}
    flagged = ask("completeness", store, **where, threshold=threshold, limit=NO_LIMIT)
    columns = {
        "instance": text("instance"),
        "text": text("text"),
        "relative_error": share("relative"),
        "completeness_error": signed("error", 4),
        "change": signed("change in QoI"),
        "points": count("points"),
    }
    title = f"Instances with a completeness error above {threshold:.0%}"
    tables = [as_table(title, flagged, columns, "more points make it smaller", limit=limit)]
    if record.level or level:
        margins = ask("margins-by-instance", store, **where, level=level, limit=NO_LIMIT)
        tables.append(_margins_table(margins))
    return tables


def _margins_table(margins: Rows) -> Table:
    rows: Cells = [
        [layer, choices, *(shares[name] for name in WITHIN)]
        for layer, choices, shares in _closeness(margins, lambda row: int(row["layer"]))
    ]
    columns = (count("layer"), count("choices"), *map(share, WITHIN.values()))
    instances = len({row["instance"] for row in margins})
    note = "the margin over the runner-up as a part of |QoI|; close: within 1e-3 or the completeness error"
    note += f"; n = {instances:,} instances; {INTERVALS}"
    return Table("How close the choices were", columns, rows, note, margins.cypher)


REPORTS = (
    Report("overview", "Overview", overview),
    Report("quality", "Quality", quality),
)
