"""Reports on runs: one at a glance, how far its numbers can be trusted, and two compared."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, cast

from ipgraph.graphstore.schema.records import Level, Run, levels_of
from ipgraph.queries.language.binding import resolve_level, resolve_run
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, Rows, ask
from ipgraph.queries.reports.declaration import AtLevel, Condition, Limit, OtherRun, Report, RunId, Subtask
from ipgraph.queries.reports.nodes import NOTE, structures, structures_table
from ipgraph.queries.reports.parts import ACCURACY, OUR_CHOICE, as_table, ratio
from ipgraph.queries.reports.tables import Table, count, number, share, signed, text

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

Cells = list[list[object]]

LARGE_ERROR = 0.05
"""A completeness error above this share of |qoi - qoi at the baseline| is flagged."""
MOST_ROWS = 8
"""Longer tables of conditions are summed up by subtask, so that an overview stays on one screen."""


def overview(store: "Store", *, run: RunId = "") -> list[Table]:
    """One screen: the run, model accuracy, skips and heads, entropy, and what to be careful about."""
    record = resolve_run(store, run)
    level = cast("Level", resolve_level([record]))
    found = structures(store, record, level, largest=True)
    tables = [_facts(record), _accuracy(store, record), _findings(store, record, level)]
    if level == "attention":
        tables.append(_top_heads(store, record))
    tables.append(structures_table(found, f"{level} level, the largest structure of each subtask; {NOTE}"))
    return tables


def _facts(run: Run) -> Table:
    levels = " and ".join(levels_of(run.level))
    skipped = f" ({run.skipped:,} more could not be used)" if run.skipped else ""
    points = f"{_points(run)} from {run.baseline}"
    rows = [
        ["model", f"{run.model_name} ({run.layers} layers, {run.heads} heads; {run.model})"],
        ["dataset", f"{run.dataset}: {run.instances:,} instances{skipped}"],
        ["method", f"{run.method}, {levels} level, {points}"],
        ["quantity of interest", run.qoi],
        ["patterns", f"{run.patterns:,} patterns, {run.steps:,} steps in all"],
    ]
    return Table.of(f"Run {run.id}", ["what", "value"], rows)


def _points(run: Run) -> str:
    if run.tolerance is None:
        return f"{run.n_steps} {run.quadrature} points"
    return f"{run.quadrature} points to a tolerance of {run.tolerance:.2g}"


def _accuracy(store: "Store", run: Run) -> Table:
    rows = ask("accuracy", store, run=run.id)
    columns = (
        text("subtask"),
        text("condition"),
        count("instances"),
        share("accuracy"),
        number("mean QoI", 2),
    )
    cells = [[r["subtask"], r["condition"], r["instances"], r["accuracy"], r["mean_qoi"]] for r in rows]
    if len(cells) > MOST_ROWS:
        cells = list(_by_subtask(rows))
    instances, labelled, correct = (sum(row[n] for row in rows) for n in ("instances", "labelled", "correct"))
    cells.append(["all", "", instances, ratio(correct, labelled), None])
    note = ACCURACY
    if labelled < instances:
        note += f": {labelled:,} of {instances:,} have a label in the dataset"
    return Table("Model accuracy", columns, cells, note, rows.cypher)


def _by_subtask(rows: Rows) -> Iterator[list[object]]:
    for subtask in dict.fromkeys(row["subtask"] for row in rows):
        group = [row for row in rows if row["subtask"] == subtask]
        counts = [row["instances"] for row in group]
        total = sum(counts)
        qoi = sum(n * row["mean_qoi"] for n, row in zip(counts, group, strict=True)) / total
        correct, labelled = (sum(row[name] for row in group) for name in ("correct", "labelled"))
        yield [subtask, f"{len(group)} conditions", total, ratio(correct, labelled), qoi]


def _findings(store: "Store", run: Run, level: Level) -> Table:
    parts = [_skips(store, run)] if level == "attention" else []
    parts += [_concentration(store, run, level), _large_errors(store, run), _close_choices(store, run, level)]
    rows = [row for part in parts for row in part]
    return Table("Findings", (text("finding"), number("value")), rows, f"{level} level; {OUR_CHOICE}")


def _skips(store: "Store", run: Run) -> Cells:
    rows: Cells = []
    for row in ask("skip-share", store, run=run.id):
        skips, staying = row["skip_share"], row["skip_share_staying"]
        per_head = row["skips"] / max(1, row["heads"])
        rows.append([f"{skips:.1%} of all steps are skip connections, {per_head:.2f} per head", skips])
        if staying is not None:
            finding = f"When a path stays on its word, it uses the skip connection {staying:.1%} of the time"
            rows.append([finding, staying])
    return rows


def _concentration(store: "Store", run: Run, level: Level) -> Cells:
    rows: Cells = []
    for row in ask("concentration", store, run=run.id, level=level):
        sign = "positive" if row["sign"] == 1 else "negative"
        share = row["concentration"]
        rows.append([f"The paths of {sign} words carry {share:.1%} of their influence (mean)†", share])
    return rows


def _large_errors(store: "Store", run: Run) -> Cells:
    if run.tolerance is not None:
        which = f"did not settle within {run.tolerance:.2g} of the change in QoI"
        unsettled = run.unsettled or 0
        return [[f"{unsettled:,} of {run.instances:,} instances {which}", unsettled / run.instances]]
    flagged = len(ask("completeness", store, run=run.id, threshold=LARGE_ERROR, limit=NO_LIMIT))
    which = f"a completeness error above {LARGE_ERROR:.0%} of the change in QoI"
    return [[f"{flagged:,} of {run.instances:,} instances have {which}†", flagged / run.instances]]


def _close_choices(store: "Store", run: Run, level: Level) -> Cells:
    rows = ask("margins", store, run=run.id, level=level)
    choices, close = (sum(row[name] for row in rows) for name in ("choices", "close"))
    if not choices:
        return []
    share = close / choices
    what = "choices beat the runner-up by less than the completeness error or 0.1% of |QoI|†"
    finding = f"{share:.1%} of {choices:,} {what}"
    return [[finding, share]]


def _top_heads(store: "Store", run: Run) -> Table:
    columns = {
        "layer": count("layer"),
        "head": count("head"),
        "patterns": count("patterns"),
        "pattern_share": share("of patterns"),
        "instance_share": share("of instances"),
    }
    rows = ask("heads-by-traversal", store, run=run.id, limit=5)
    return as_table("Most traversed heads", rows, columns, "heads count from 1 in each layer")


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
    where: Parameters = {"run": run, "subtask": subtask, "condition": condition}
    flagged = ask("completeness", store, **where, threshold=threshold, limit=NO_LIMIT)
    margins = ask("margins", store, **where, level=level)
    within = {
        "within_1e_5": "within 1e-5",
        "within_1e_4": "within 1e-4",
        "within_1e_3": "within 1e-3",
        "within_1e_2": "within 1%",
        "within_1e_1": "within 10%",
    }
    rows = [
        [row["layer"], row["choices"], *(ratio(row[name], row["choices"]) for name in ("close", *within))]
        for row in margins
    ]
    columns = (
        count("layer"),
        count("choices"),
        share("close"),
        *map(share, within.values()),
    )
    return [
        as_table(
            f"Instances with a completeness error above {threshold:.0%}",
            flagged,
            {
                "instance": text("instance"),
                "text": text("text"),
                "change": signed("change in QoI"),
                "completeness_error": signed("error", 4),
                "relative_error": share("relative"),
                "points": count("points"),
            },
            "more points make it smaller",
            limit=limit,
        ),
        Table(
            "How close the choices were",
            columns,
            rows,
            "the margin over the runner-up as a part of |QoI|; close: within 1e-3 or the completeness error",
            margins.cypher,
        ),
    ]


def compare(
    store: "Store",
    *,
    other: OtherRun,
    run: RunId = "",
    level: AtLevel = "",
    subtask: Subtask = "",
    condition: Condition = "",
    limit: Limit = 10,
) -> list[Table]:
    """Two runs (methods, models, settings) compared on the same words of the same instances."""
    where: Parameters = {
        "run": run,
        "other": other,
        "level": level,
        "subtask": subtask,
        "condition": condition,
    }
    roles = ask("compare-runs", store, **where)
    words, same = (sum(row[name] for row in roles) for name in ("patterns", "same_paths"))
    total = f"{same:,} of {words:,} paths are the same ({same / words:.1%})" if words else ""
    return [
        as_table(
            "Two runs on the same instances",
            roles,
            {
                "subtask": text("subtask"),
                "role": text("role"),
                "patterns": count("words"),
                "same_path_share": share("same path"),
                "same_sign_share": share("same sign"),
                "mean_influence": signed("mean pattern"),
                "other_mean_influence": signed("the other's"),
            },
            total,
        ),
        as_table(
            "Instances on which they differ most",
            ask("compare-instances", store, **where, limit=limit),
            {
                "instance": text("instance"),
                "text": text("text"),
                "patterns": count("words"),
                "same_path_share": share("same path"),
            },
        ),
    ]


REPORTS = (
    Report("overview", "Overview", overview),
    Report("quality", "Quality", quality),
    Report("compare", "Two runs", compare),
)
