"""Reports on how patterns vary: their entropy, and where two conditions differ."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, cast

from ipgraph.graphstore.common.bootstrap import Interval
from ipgraph.graphstore.common.entropy import pattern_entropy
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.common.permutation import DRAWS, FALSE_DISCOVERY_RATE, adjusted, group_p_values
from ipgraph.graphstore.schema.graph import GraphShape, graph_size
from ipgraph.graphstore.schema.records import Level, Run
from ipgraph.queries.language.binding import require_known, resolve_level, resolve_run
from ipgraph.queries.language.needs import PATTERNS
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, Record, ask
from ipgraph.queries.reports.declaration import AtLevel, Limit, Report, Role, RunId, Sign, Subtask
from ipgraph.queries.reports.parts import OUR_CHOICE, as_table, require_limit, scope
from ipgraph.queries.reports.sample import INTERVALS, Sample, as_intervals, intervals, resamples
from ipgraph.queries.reports.tables import Table, count, number, share, signed, text
from ipgraph.queries.views.labels import KEY

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

NOTE = (
    "H: mean binary entropy of p_n over all nodes n of the graph, in bits†; p_n: share of instances with n "
    f"on a pattern; {INTERVALS}; that of H lies low, since a resample repeats instances; {OUR_CHOICE}"
)
TESTED = (
    f"p: two-sided, by permuting which instances are of which condition ({DRAWS:,} draws), adjusted for all "
    "nodes that are used (Benjamini-Hochberg)"
)


@dataclass(frozen=True, slots=True)
class Structure:
    """The sentences of a subtask that have the same roles by position, and the entropy of their patterns."""

    subtask: str
    target: int
    roles: list[str]
    instances: int
    mean_qoi: Interval | None
    sample: Sample
    """Their patterns, of words of both signs."""
    entropy: Interval | None
    """H of Pi_+, the patterns of words with total influence >= 0; bits."""


def structures(
    store: "Store", run: Run, level: Level, sample: Sample, subtask: str = "", *, largest: bool = False
) -> list[Structure]:
    """Return the structures of at least two instances, or only the largest of each subtask.

    `sample` has the patterns of the run, level and subtask.
    """
    outcomes = ask("outcomes", store, run=run.id, subtask=subtask, limit=NO_LIMIT)
    alike: dict[Any, list[Record]] = defaultdict(list)
    for row in outcomes:
        alike[row["subtask"], row["target"], tuple(row["roles"])].append(row)
    several = [(key, group) for key, group in alike.items() if len(group) > 1]
    several.sort(key=lambda one: (one[0][0], -len(one[1]), len(one[0][2]), one[0][1], one[1][0]["instance"]))
    if largest:
        several = [next(group) for _, group in groupby(several, key=lambda one: one[0][0])]
    return [_structure(run, level, sample, key, group) for key, group in several]


def _structure(
    run: Run, level: Level, sample: Sample, key: tuple[str, int, tuple[str, ...]], outcomes: list[Record]
) -> Structure:
    subtask, target, roles = key
    ids = {row["instance"] for row in outcomes}
    of_structure = sample.only(lambda p: p["instance"] in ids)
    size = graph_size(GraphShape.from_json(run.graph), len(roles), level)
    return Structure(
        subtask=subtask,
        target=target,
        roles=list(roles),
        instances=len(outcomes),
        mean_qoi=intervals([[row["qoi"]] for row in outcomes])[0],
        sample=of_structure,
        entropy=entropy_interval(of_structure.only(lambda p: p["sign"] == 1), size),
    )


def entropy_interval(sample: Sample, nodes: int) -> Interval | None:
    """Return the pattern entropy of a sample in a graph of `nodes` nodes; None of no pattern."""
    if not sample.instances:
        return None
    counts = resamples(sample.instances)
    used = sample.tally(lambda p: p["route"].split(" ")).used
    probabilities = (used.T @ counts.T).T / sample.instances
    return as_intervals(pattern_entropy(probabilities, nodes)[:, None])[0]


def structures_table(structures: list[Structure], note: str) -> Table:
    """Return structures and their entropies as a table."""
    columns = (
        text("subtask"),
        count("length"),
        count("target"),
        count("instances"),
        number("H of Pi_+", 4),
        number("mean QoI", 2),
    )
    rows: list[list[object]] = [
        [s.subtask, len(s.roles), s.target, s.instances, s.entropy, s.mean_qoi] for s in structures
    ]
    cypher = structures[0].sample.rows.cypher if structures else ""
    return Table("Pattern entropy, per structure", columns, rows, note, cypher)


def entropy(store: "Store", *, run: RunId = "", level: AtLevel = "", subtask: Subtask = "") -> list[Table]:
    """Pattern entropy: of Pi_+ for each sentence structure, and per position of the largest one."""
    record = resolve_run(store, run, PATTERNS)
    at = cast("Level", resolve_level([record], level))
    sample = Sample.of(store, run=record.id, level=at, subtask=subtask)
    found = structures(store, record, at, sample, subtask)
    where = scope({"run": record.id, "level": at, "subtask": subtask})
    tables = [structures_table(found, f"{where}; {NOTE}; structures of one instance are left out")]
    if found:
        tables.append(_positions(record, at, max(found, key=lambda s: s.instances)))
    return tables


def _positions(run: Run, level: Level, structure: Structure) -> Table:
    """Return the entropy of each word's patterns in one structure."""
    size = graph_size(GraphShape.from_json(run.graph), len(structure.roles), level)
    rows: list[list[object]] = []
    for position, role in enumerate(structure.roles):
        sample = structure.sample.only(lambda p, position=position: p["position"] == position)  # type: ignore[misc]
        if sample.instances:
            sizes = [[abs(p["influence"]), abs(p["total_influence"])] for p in sample.patterns]
            rows.append([position, role, entropy_interval(sample, size), *intervals(sizes), sample.instances])
    columns = (
        count("position"),
        text("role"),
        number("H", 4),
        number("mean |influence|"),
        number("mean |g|"),
        count("instances"),
    )
    parameters = {"run": run.id, "level": level, "subtask": structure.subtask}
    title = f"Pattern entropy, per position of {structure.subtask or 'the largest structure'}"
    note = f"{scope(parameters)}; sentences: {' '.join(structure.roles)}; {INTERVALS}"
    return Table(title, columns, rows, note, structure.sample.rows.cypher)


def conditions(
    store: "Store",
    *,
    condition: Annotated[str, "The first condition."],
    other_condition: Annotated[str, "The condition to compare it with."],
    run: RunId = "",
    level: AtLevel = "",
    subtask: Subtask = "",
    role: Role = "",
    sign: Sign = 0,
    limit: Limit = 20,
) -> list[Table]:
    """Where two conditions differ most: the nodes whose probability of lying on a pattern differs."""
    if not (condition and other_condition):
        known = sorted({str(row["condition"]) for row in ask("accuracy", store, run=run)})
        raise UsageError(f"name two conditions to compare, of: {', '.join(known)}")
    require_limit(limit)
    names = list(dict.fromkeys((condition, other_condition)))
    require_known(store, resolve_run(store, run, PATTERNS).id, "condition", names)
    given: Parameters = {"run": run, "level": level, "subtask": subtask, "role": role, "sign": sign}
    every = Sample.of(store, **given)
    sample = every.only(lambda p: p["condition"] in names)
    records, tested = _differences(sample, condition, other_condition, limit)
    columns = {
        "node": text("node"),
        "difference": signed("difference", 3),
        "p": number("p", 4),
        "probability": share(condition),
        "other_probability": share(other_condition),
    }
    note = "; ".join(filter(None, [KEY, tested, _caution(store, run, subtask, names)]))
    where = every.scoped(condition=condition, other_condition=other_condition)
    return [as_table(f"{condition} against {other_condition}", where, columns, note, records=records)]


def _differences(sample: Sample, one: str, other: str, limit: int) -> tuple[list[Record], str]:
    """Return the nodes whose probabilities differ most, and what a note says of their tests."""
    import numpy as np

    names = dict(zip(sample.numbers, (p["condition"] for p in sample.patterns), strict=True))
    first, second = (np.array([names[k] == name for k in sorted(names)]) for name in (one, other))
    if not (first.any() and second.any()) or one == other:
        return [], ""
    tally = sample.tally(lambda p: p["route"].split(" "))
    used, counts = tally.used, resamples(sample.instances)
    p = adjusted(group_p_values(used.toarray(), first))
    means = [(used.multiply(group[:, None]).tocsr().sum(0)) / group.sum() for group in (first, second)]
    order = np.argsort(-np.floor(1e9 * np.abs(means[0] - means[1])), kind="stable")[:limit]
    shown = used[:, order].toarray()
    shares = [_probabilities(counts, shown, group) for group in (first, second)]
    cells = zip(*(as_intervals(values) for values in (*shares, shares[0] - shares[1])), strict=True)
    records = [
        dict(zip(("probability", "other_probability", "difference"), row, strict=True))
        | {"node": tally.candidates[k], "p": float(p[k])}
        for k, row in zip(order, cells, strict=True)
    ]
    differing = int((p <= FALSE_DISCOVERY_RATE).sum())
    said = (
        f"n = {first.sum():,} and {second.sum():,} instances; {TESTED}; {differing:,} of {len(p):,} "
        f"nodes differ at a false discovery rate of {FALSE_DISCOVERY_RATE:.0%}; {INTERVALS}"
    )
    return records, said


def _probabilities(counts: Any, used: Any, group: Any) -> Any:
    from ipgraph.graphstore.common.bootstrap import ratios

    return ratios(counts, used * group[:, None], group)


def _caution(store: "Store", run: str, subtask: str, names: list[str]) -> str:
    """Return what a note says of conditions whose instances are of several structures."""
    places = {
        (tuple(row["roles"]), row["target"])
        for name in names
        for row in ask("structures", store, run=run, subtask=subtask, condition=name)
    }
    if len(places) < 2:
        return ""
    return (
        f"caution: the instances are of {len(places)} structures (length, roles, target), so that a "
        "position is not the same place in all of them"
    )


REPORTS = (
    Report("entropy", "Entropy", entropy),
    Report("conditions", "Two conditions", conditions),
)
