"""The report on two runs: what their models say of the same instances, and which paths they choose."""

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.common.permutation import DRAWS, adjusted, paired_p_values
from ipgraph.graphstore.schema.qoi import with_classes
from ipgraph.graphstore.schema.records import Run
from ipgraph.queries.language.binding import require_one_graph, resolve_level, resolve_run
from ipgraph.queries.language.needs import PATTERNS
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, Record, Rows, ask
from ipgraph.queries.reports.declaration import AtLevel, Condition, Limit, OtherRun, Report, RunId, Subtask
from ipgraph.queries.reports.parts import as_table
from ipgraph.queries.reports.sample import INTERVALS, Sample, intervals
from ipgraph.queries.reports.tables import Table, count, number, share, signed, text

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

OUTCOMES = {"accuracy": "accuracy", "qoi": "QoI", "total_influence": "g, summed over the words"}
TESTED = (
    f"p: two-sided, by flipping the signs of the differences ({DRAWS:,} draws), adjusted together "
    "(Benjamini-Hochberg)"
)


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
    """Two runs (methods, models, settings) compared on the same words of the same instances.

    The accuracy, QoI and g of runs whose models have unlike graphs are compared, their paths are not.
    """
    runs = [resolve_run(store, run, PATTERNS), resolve_run(store, other, PATTERNS)]
    where: Parameters = {"subtask": subtask, "condition": condition}
    outcomes = [ask("outcomes", store, run=one.id, **where, limit=NO_LIMIT) for one in runs]
    try:
        require_one_graph(runs)
    except UsageError as error:
        return [_outcomes(runs, outcomes, str(error))]
    where |= {"run": runs[0].id, "other": runs[1].id, "level": resolve_level(runs, level)}
    rows = ask("compare-instances", store, **where, limit=limit)
    return [_outcomes(runs, outcomes), _paths(store, runs, where), _instances(rows)]


def _outcomes(runs: list[Run], outcomes: list[Rows], note: str = "") -> Table:
    """Return accuracy, QoI and g of both runs over their common instances, and the tested differences."""
    first, second = ({row["instance"]: row for row in rows} for rows in outcomes)
    common = [(first[key], second[key]) for key in first if key in second]
    if not common:
        raise UsageError("; ".join(filter(None, [_nothing_in_common(runs), note])))
    records = [_outcome(name, common) for name in OUTCOMES]
    records = [record for record in records if record["pairs"]]
    for record, p in zip(records, adjusted([record["p"] for record in records]), strict=True):
        record["p"] = float(p)
    columns = {
        "what": text("mean"),
        "value": number(_short(runs[0], runs), 3),
        "other_value": number(_short(runs[1], runs), 3),
        "difference": replace(signed("difference", 3), importance=1),
        "p": replace(number("p", 4), importance=1),
        "pairs": count("instances"),
    }
    said = [
        f"n = {len(common):,} common instances",
        "accuracy: of those with a label",
        TESTED,
        INTERVALS,
        note and f"{note}; accuracy, QoI and g do",
        _unlike_qoi(runs),
    ]
    where = Rows([], [], outcomes[0].cypher, {"run": runs[0].id, "other": runs[1].id})
    return as_table(
        "Two runs on the same instances", where, columns, "; ".join(filter(None, said)), records=records
    )


def _nothing_in_common(runs: list[Run]) -> str:
    return f"runs {runs[0].id} and {runs[1].id} have no instance in common here"


def _unlike_qoi(runs: list[Run]) -> str:
    """Return what a note says where the QoI, g and influences of two runs are not of one quantity."""
    first, second = (with_classes(run.qoi, run.classes) for run in runs)
    if first == second:
        return ""
    return f"caution: the quantities of interest differ ({first} and {second}), so QoI, g and signs do too"


def _short(run: Run, runs: list[Run]) -> str:
    """Return what a column calls a run: its id, or its place where both are one."""
    return run.id if runs[0].id != runs[1].id or run is runs[0] else f"{run.id} again"


def _outcome(name: str, common: list[tuple[Record, Record]]) -> Record:
    """Return the mean of an outcome in both runs, and of its paired difference, which is tested."""
    import numpy as np

    pairs = [[_value(name, row) for row in pair] for pair in common]
    known = np.array([pair for pair in pairs if None not in pair], float).reshape(-1, 2)
    record: Record = {"what": OUTCOMES[name], "pairs": len(known)}
    if len(known):
        differences = known[:, :1] - known[:, 1:]
        means = intervals(np.hstack([known, differences]))
        record |= dict(zip(("value", "other_value", "difference"), means, strict=True))
        record["p"] = float(paired_p_values(differences)[0])
    return record


def _value(name: str, row: Record) -> float | None:
    if name == "accuracy":
        return float(row["is_correct"]) if row["is_labelled"] else None
    return float(row[name])


def _paths(store: "Store", runs: list[Run], where: Parameters) -> Table:
    """Return, per subtask and role, how often both runs choose the same path for the same word."""
    scope = {name: value for name, value in where.items() if name not in ("run", "other")}
    samples = [Sample.of(store, run=run.id, **scope) for run in runs]
    others = {(p["instance"], p["position"]): p for p in samples[1].patterns}
    pairs = [(p, others[at]) for p in samples[0].patterns if (at := (p["instance"], p["position"])) in others]
    columns = {
        "subtask": text("subtask"),
        "role": text("role"),
        "same_path_share": share("same path"),
        "same_sign_share": share("same sign"),
        "mean_influence": signed("mean pattern"),
        "other_mean_influence": signed("the other's"),
        "patterns": count("words"),
        "instances": count("instances"),
    }
    same = sum(p["route"] == q["route"] for p, q in pairs)
    total = f"{same:,} of {len(pairs):,} paths are the same ({same / len(pairs):.1%})" if pairs else ""
    said = "; ".join(filter(None, [total, INTERVALS]))
    rows = Rows([], [], samples[0].rows.cypher, where)
    return as_table("The paths of the same words", rows, columns, said, records=_of_roles(pairs))


def _of_roles(pairs: list[tuple[Record, Record]]) -> list[Record]:
    groups: dict[tuple[str, str], dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for p, q in pairs:
        numbers = (p["route"] == q["route"], p["sign"] == q["sign"], p["influence"], q["influence"])
        groups[p["subtask"], p["role"]][p["instance"]].append(numbers)
    names = ("same_path_share", "same_sign_share", "mean_influence", "other_mean_influence")
    records: list[Record] = []
    for (subtask, role), by_instance in sorted(groups.items()):
        sums = [list(map(sum, zip(*numbers, strict=True))) for numbers in by_instance.values()]
        words = [float(len(numbers)) for numbers in by_instance.values()]
        shares = dict(zip(names, intervals(sums, words), strict=True))
        counts = {"patterns": int(sum(words)), "instances": len(words)}
        records.append({"subtask": subtask, "role": role, **shares, **counts})
    return records


def _instances(rows: Rows) -> Table:
    columns = {
        "instance": text("instance"),
        "text": text("text"),
        "same_path_share": share("same path"),
        "patterns": count("words"),
    }
    return as_table("Instances on which they differ most", rows, columns)


REPORTS = (Report("compare", "Two runs", compare),)
