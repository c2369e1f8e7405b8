"""Reports on runs: one at a glance, how far its numbers can be trusted, and two compared."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from ipgraph.graphstore.schema import Level, Run
from ipgraph.queries.binding import resolve_level, resolve_run
from ipgraph.queries.report_nodes import NOTE, structures, structures_table
from ipgraph.queries.report_parts import EVERY, as_table
from ipgraph.queries.running import Rows
from ipgraph.queries.running import run as query
from ipgraph.queries.tables import Table, count, number, share, signed, text

if TYPE_CHECKING:
    from ipgraph.graphstore.store import Store

LARGE_ERROR = 0.05
"""A completeness error above this share of |qoi - qoi at the baseline| is flagged."""
CLOSE = "within_1e_2"
MOST_ROWS = 8
"""Longer tables of conditions are summed up by subtask, so that an overview stays on one screen."""


def overview(store: "Store", *, run: str = "") -> list[Table]:
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
    levels = "embedding and attention" if run.level == "both" else run.level
    skipped = f" ({run.skipped:,} more could not be used)" if run.skipped else ""
    points = f"{run.n_steps} {run.quadrature} points"
    rows = [
        ["model", f"{run.model_name} ({run.layers} layers, {run.heads} heads; {run.model})"],
        ["dataset", f"{run.dataset}: {run.instances:,} instances{skipped}"],
        ["method", f"{run.method}, {levels} level, {points} from {run.baseline}"],
        ["quantity of interest", run.qoi],
        ["patterns", f"{run.patterns:,} of {run.steps:,} steps"],
    ]
    return Table.of(f"Run {run.id}", ["what", "value"], rows)


def _accuracy(store: "Store", run: Run) -> Table:
    rows = query("accuracy", store, run=run.id)
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
    cells.append(["all", "", run.instances, run.accuracy, None])
    return Table(
        "Model accuracy", columns, cells, "accuracy: share of instances whose quantity of interest is above 0"
    )


def _by_subtask(rows: Rows) -> Iterator[list[object]]:
    for subtask in dict.fromkeys(row["subtask"] for row in rows):
        group = [row for row in rows if row["subtask"] == subtask]
        counts = [row["instances"] for row in group]
        total = sum(counts)
        qoi = sum(n * row["mean_qoi"] for n, row in zip(counts, group, strict=True)) / total
        correct = sum(row["correct"] for row in group)
        yield [subtask, f"{len(group)} conditions", total, correct / total, qoi]


def _findings(store: "Store", run: Run, level: Level) -> Table:
    columns = (text("finding"), number("value"), text("of what"))
    where = {"run": run.id, "level": level}
    rows: list[list[object]] = []
    if level == "attention":
        for row in query("skip-share", store, **where):
            ratio = row["skips"] / max(1, row["heads"])
            rows += [
                [
                    "skip share",
                    row["skip_share"],
                    f"of the steps through a skip or head ({ratio:.2f} skips a head)",
                ],
                [
                    "skip share, staying",
                    row["skip_share_staying"],
                    "of the steps that stay at their position",
                ],
            ]
    rows += [
        [
            f"concentration {'+' if row['sign'] == 1 else '-'}",
            row["concentration"],
            f"of g is carried by the patterns of words with {'g >= 0' if row['sign'] == 1 else 'g < 0'}",
        ]
        for row in query("concentration", store, **where)
    ]
    flagged = query("completeness", store, run=run.id, threshold=LARGE_ERROR, limit=EVERY)
    rows.append(
        [
            "large completeness error",
            len(flagged) / run.instances,
            f"of the instances: {len(flagged)} with an error above {LARGE_ERROR:.0%} of the change in QoI",
        ]
    )
    margins = query("margins", store, **where)
    choices, close = (sum(row[name] for row in margins) for name in ("choices", CLOSE))
    if choices:
        rows.append(
            [
                "close choices",
                close / choices,
                f"of {choices:,} choices beat the runner-up by 1% of |QoI| or less",
            ]
        )
    return Table("Findings", columns, rows, f"{level} level")


def _top_heads(store: "Store", run: Run) -> Table:
    columns = {
        "layer": count("layer"),
        "head": count("head"),
        "patterns": count("patterns"),
        "pattern_share": share("of patterns"),
        "instance_share": share("of instances"),
    }
    rows = query("heads-by-traversal", store, run=run.id, limit=5)
    return as_table("Most traversed heads", rows, columns, "heads count from 1 in each layer")


def quality(
    store: "Store",
    *,
    run: str = "",
    level: str = "",
    subtask: str = "",
    condition: str = "",
    threshold: float = LARGE_ERROR,
    limit: int = 20,
) -> list[Table]:
    """Instances with a large completeness error, and how close the choices of nodes were."""
    where = {"run": run, "subtask": subtask, "condition": condition}
    flagged = query("completeness", store, **where, threshold=threshold, limit=limit)
    margins = query("margins", store, **where, level=level)
    within = {
        "within_1e_5": "1e-5",
        "within_1e_4": "1e-4",
        "within_1e_3": "1e-3",
        "within_1e_2": "1%",
        "within_1e_1": "10%",
    }
    rows = [
        [row["layer"], row["choices"], *(_ratio(row[name], row["choices"]) for name in within)]
        for row in margins
    ]
    columns = (count("layer"), count("choices"), *(share(f"within {bound}") for bound in within.values()))
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
            },
            "more steps (--n-steps) make it smaller",
        ),
        Table(
            "How close the choices were",
            columns,
            rows,
            "the margin over the runner-up as a part of |QoI|",
            margins.cypher,
        ),
    ]


def _ratio(part: int, whole: int) -> float:
    return part / whole


def compare(
    store: "Store",
    *,
    other: str,
    run: str = "",
    level: str = "",
    subtask: str = "",
    condition: str = "",
    limit: int = 10,
) -> list[Table]:
    """Two runs (methods, models, settings) compared on the same words of the same instances."""
    where = {"run": run, "other": other, "level": level, "subtask": subtask, "condition": condition}
    roles = query("compare-runs", store, **where)
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
            query("compare-instances", store, **where, limit=limit),
            {
                "instance": text("instance"),
                "text": text("text"),
                "patterns": count("words"),
                "same_path_share": share("same path"),
            },
        ),
    ]
