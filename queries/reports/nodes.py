"""Reports on how patterns vary: their entropy, and where two conditions differ."""

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, cast

from ipgraph.graphstore.common.entropy import pattern_entropy
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.graph import GraphShape, graph_size
from ipgraph.graphstore.schema.records import Level, Run
from ipgraph.queries.language.binding import resolve_level, resolve_run
from ipgraph.queries.language.registry import template
from ipgraph.queries.language.running import Parameters, Record, ask
from ipgraph.queries.reports.declaration import AtLevel, Limit, Report, Role, RunId, Sign, Subtask
from ipgraph.queries.reports.parts import OUR_CHOICE, as_table, scope
from ipgraph.queries.reports.tables import Table, count, number, share, signed, text
from ipgraph.queries.views.labels import KEY

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

NOTE = (
    "H: mean binary entropy of p_n over all nodes n of the graph, in bits†; p_n: share of instances with n "
    f"on a pattern; {OUR_CHOICE}"
)


@dataclass(frozen=True, slots=True)
class Structure:
    """The sentences of a subtask that have the same roles by position, and the entropy of their patterns."""

    subtask: str
    length: int
    target: int
    roles: list[str]
    instances: int
    mean_qoi: float
    entropy: float
    """H of Pi_+, the patterns of words with total influence >= 0; bits."""


def structures(
    store: "Store", run: Run, level: Level, subtask: str = "", *, largest: bool = False
) -> list[Structure]:
    """Return the structures of at least two instances, or only the largest of each subtask."""
    rows = [row for row in ask("structures", store, run=run.id, subtask=subtask) if row["instances"] > 1]
    if largest:
        rows = [next(group) for _, group in groupby(rows, key=lambda row: row["subtask"])]
    return [_structure(store, run, level, row) for row in rows]


def _structure(store: "Store", run: Run, level: Level, row: Record) -> Structure:
    roles = row["roles"]
    nodes = ask(
        "node-probability", store, run=run.id, level=level, subtask=row["subtask"], roles=roles, sign=1
    )
    size = graph_size(GraphShape.from_json(run.graph), len(roles), level)
    return Structure(
        subtask=str(row["subtask"]),
        length=len(roles),
        target=row["target"],
        roles=roles,
        instances=row["instances"],
        mean_qoi=row["mean_qoi"],
        entropy=float(pattern_entropy([node["probability"] for node in nodes], size)),
    )


def structures_table(structures: list[Structure], note: str) -> Table:
    """Return structures and their entropies as a table."""
    columns = (
        text("subtask"),
        count("length"),
        count("target"),
        count("instances"),
        number("mean QoI", 2),
        number("H of Pi_+", 4),
    )
    rows: list[list[object]] = [
        [s.subtask, s.length, s.target, s.instances, s.mean_qoi, s.entropy] for s in structures
    ]
    cypher = template("node-probability").text()
    return Table("Pattern entropy, per structure", columns, rows, note, cypher)


def entropy(store: "Store", *, run: RunId = "", level: AtLevel = "", subtask: Subtask = "") -> list[Table]:
    """Pattern entropy: of Pi_+ for each sentence structure, and per position of the largest one."""
    record = resolve_run(store, run)
    at = cast("Level", resolve_level([record], level))
    found = structures(store, record, at, subtask)
    where = scope({"run": record.id, "level": at, "subtask": subtask})
    tables = [structures_table(found, f"{where}; {NOTE}; structures of one instance are left out")]
    if found:
        tables.append(_positions(store, record, at, max(found, key=lambda s: s.instances)))
    return tables


def _positions(store: "Store", run: Run, level: Level, structure: Structure) -> Table:
    """Return the entropy of each word's patterns in one structure."""
    options: Parameters = {
        "run": run.id,
        "level": level,
        "subtask": structure.subtask,
        "roles": structure.roles,
    }
    nodes = ask("node-probability-by-position", store, **options)
    size = graph_size(GraphShape.from_json(run.graph), structure.length, level)
    entropies = {
        position: float(pattern_entropy([row["probability"] for row in group], size))
        for position, group in groupby(nodes, key=lambda row: row["word_position"])
    }
    words = ask("influence-by-position", store, **options)
    rows = [
        [
            r["position"],
            r["role"],
            r["instances"],
            entropies[r["position"]],
            r["mean_absolute_influence"],
            r["mean_absolute_total"],
        ]
        for r in words
    ]
    columns = (
        count("position"),
        text("role"),
        count("instances"),
        number("H", 4),
        number("mean |influence|"),
        number("mean |g|"),
    )
    title = f"Pattern entropy, per position of {structure.subtask or 'the largest structure'}"
    return Table(
        title,
        columns,
        rows,
        f"{scope(words.parameters)}; sentences: {' '.join(structure.roles)}",
        nodes.cypher,
    )


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
    rows = ask(
        "node-probability-difference",
        store,
        run=run,
        level=level,
        condition=condition,
        other_condition=other_condition,
        subtask=subtask,
        role=role,
        sign=sign,
        limit=limit,
    )
    columns = {
        "node": text("node"),
        "probability": share(condition),
        "other_probability": share(other_condition),
        "difference": signed("difference"),
    }
    places = {
        (tuple(row["roles"]), row["target"])
        for name in (condition, other_condition)
        for row in ask("structures", store, run=run, subtask=subtask, condition=name)
    }
    note = KEY
    if len(places) > 1:
        note += (
            f"; caution: the instances are of {len(places)} structures (length, roles, target), so that a "
            "position is not the same place in all of them"
        )
    return [as_table(f"{condition} against {other_condition}", rows, columns, note)]


REPORTS = (
    Report("entropy", "Entropy", entropy),
    Report("conditions", "Two conditions", conditions),
)
