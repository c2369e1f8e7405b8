"""Reports' tables on the scores of tokens: by role and layer, and how far they agree with other methods'."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ipgraph.graphstore.schema.records import Run
from ipgraph.queries.language.binding import resolve_run
from ipgraph.queries.language.needs import Need
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, Record, Rows, ask
from ipgraph.queries.reports.declaration import Condition, Limit, Report, RunId, Subtask
from ipgraph.queries.reports.parts import OUR_CHOICE, as_table
from ipgraph.queries.reports.runs import facts
from ipgraph.queries.reports.sample import INTERVALS, intervals
from ipgraph.queries.reports.tables import Table, TableColumn, count, number, share, text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ipgraph.graphstore.store.protocol import Store

    Floats = npt.NDArray[np.float64]

SPECIAL, WORDS = "all special tokens", "all words"


@dataclass(frozen=True, slots=True)
class Scored:
    """A run, and the scores of its instances in scope."""

    run: Run
    rows: Rows
    instances: list[Record]

    @classmethod
    def of(cls, store: "Store", methods: tuple[str, ...], run: str, subtask: str, condition: str) -> "Scored":
        """Return the scores of a run of one of some methods, or of any where none is named.

        Raises UsageError for another run.
        """
        need = Need(methods=methods) if methods else Need(("attributions",))
        record = resolve_run(store, run, need)
        where: Parameters = {"subtask": subtask, "condition": condition}
        rows = ask("attributions-by-instance", store, run=record.id, **where, limit=NO_LIMIT)
        return cls(record, rows, rows.records())

    def note(self, *more: str) -> str:
        """Return how many instances the numbers are of and what intervals are, after what else is said."""
        return "; ".join(filter(None, [*more, f"n = {len(self.instances):,} instances", INTERVALS]))

    def by_layer(self, column: str) -> "Floats":
        """Return the lists of a column that have numbers by layer, [instances, layers]; [n, 0] of none."""
        import numpy as np

        lists = [row[column] for row in self.instances] or [[]]
        return np.array(lists, float).reshape(len(self.instances), len(lists[0]))


def settings_of(run: Run) -> str:
    """Return which of its settings tell a run from another of its method, in brackets; empty of defaults."""
    said = ["at the input" if run.at == "input" else ""]
    if run.position_correction not in ("", "none"):
        decay = f" {run.position_decay:g}" if run.position_decay else ""
        said.append(f"corrected by {run.position_correction}{decay}")
    named = ", ".join(filter(None, said))
    return f" ({named})" if named else ""


def by_role(scored: Scored) -> Table:
    """Return what share of a text's scores each role gets, and how its tokens rank."""
    import numpy as np

    roles = sorted({role for row in scored.instances for role in row["roles"]})
    groups = [*roles, SPECIAL, WORDS]
    sums = np.array([_sums(row, groups) for row in scored.instances]).reshape(-1, 4, len(groups))
    parts, ranks, tokens, tokens_share = sums.transpose(1, 0, 2)
    columns = {
        "role": groups,
        "score_share": intervals(parts),
        "token_share": tokens_share.mean(0).tolist() if len(sums) else [],
        "mean_rank": intervals(ranks, tokens),
        "tokens": tokens.sum(0).astype(int).tolist(),
        "instances": (tokens > 0).sum(0).tolist(),
    }
    records = _records(columns) if scored.instances else []
    of_roles = sorted(records[:-2], key=lambda record: -record["score_share"].value)
    shown = {
        "role": text("role"),
        "score_share": share("of the scores"),
        "token_share": share("of the tokens"),
        "mean_rank": number("mean rank", 1),
        "tokens": count("tokens"),
        "instances": count("instances"),
    }
    note = scored.note(
        "of the scores: share of the instance's sum of |score|, averaged over instances",
        "rank: 1 and how many tokens of the instance have a larger |score|",
    )
    records = [*of_roles, *(record for record in records[-2:] if record["tokens"])]
    return as_table("Scores by role", scored.rows, shown, note, records=records)


def _records(columns: dict[str, list[Any]]) -> list[Record]:
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _sums(row: Record, groups: list[str]) -> "Floats":
    """Return, per group of an instance's tokens, the share of scores, sum of ranks, count and share."""
    import numpy as np
    from scipy.stats import rankdata

    sizes = np.abs(row["scores"])
    parts = sizes / sizes.sum() if sizes.any() else sizes
    ranks = rankdata(-sizes, "min")
    is_special = np.array(row["word_indices"]) < 0
    roles = np.array(row["roles"])
    members = np.array([*(roles == role for role in groups[:-2]), is_special, ~is_special], float)
    found: Floats = np.array([members @ parts, members @ ranks, members.sum(1), members.mean(1)])
    return found


def layers(
    scored: Scored, shown: dict[str, tuple[TableColumn, "Floats"]], title: str, note: str
) -> list[Table]:
    """Return a table with a row per layer: columns by name, each with its numbers [instances, layers].

    Columns without numbers are left out; of a method that has none there is no table.
    """
    cells = {name: intervals(values) for name, (_, values) in shown.items() if values.size}
    if not cells:
        return []
    depth = max(map(len, cells.values()))
    padded = {name: [*found, *[None] * (depth - len(found))] for name, found in cells.items()}
    records = _records({"layer": list(range(1, depth + 1)), **padded})
    columns = {"layer": count("layer")} | {name: shown[name][0] for name in cells}
    return [as_table(title, scored.rows, columns, scored.note(note), records=records)]


MIXING = "mixing: how much of a position's state is not its own token's, mean over positions"


def agreement(store: "Store", scored: Scored, limit: int) -> Table:
    """Return Spearman's correlation of the scores with those of other runs on the same instances."""
    records = sorted(_agreements(store, scored), key=lambda record: -_value(record["tokens"]))
    shown = {
        "method": text("method"),
        "tokens": number("all tokens", 2),
        "words": number("words only", 2),
        "instances": count("instances"),
        "run": text("run"),
    }
    masked = "the [MASK] itself is left out†" if scored.run.task == "masked-lm" else ""
    held = "the first token is left out where a method holds it†" if scored.run.task == "causal-lm" else ""
    note = "; ".join(
        filter(
            None,
            [
                "Spearman's rho of |score| over the tokens of an instance, averaged over common instances",
                masked or held,
                "words only: without special tokens",
                OUR_CHOICE if masked or held else "",
                f"{limit:,} of {len(records):,}" if len(records) > limit else "",
                INTERVALS,
            ],
        )
    )
    title = "Agreement with the other methods in the store"
    return as_table(title, scored.rows, shown, note, records=records[:limit])


def _value(cell: Any) -> float:
    return -2.0 if cell is None else float(cell.value)


def _agreements(store: "Store", scored: Scored) -> list[Record]:
    """Return the agreement with each method that has scores, by its run of most common instances."""
    own = {row["instance"]: row for row in scored.instances}
    found: dict[str, tuple[Run, list[tuple[Record, Record]]]] = {}
    for run in _others(store, scored.run):
        rows = ask("attributions-by-instance", store, run=run.id, limit=NO_LIMIT)
        pairs = [(own[row["instance"]], row) for row in rows if row["instance"] in own]
        if not pairs:
            continue
        qoi = "" if run.qoi == scored.run.qoi else f" of {run.qoi}"
        method = f"{pairs[0][1]['method']}{settings_of(run)}{qoi}"
        if method not in found or len(found[method][1]) < len(pairs):  # newest first, so equals stay
            found[method] = (run, pairs)
    return [_agreement(scored.run, method, run, pairs) for method, (run, pairs) in found.items()]


def _others(store: "Store", run: Run) -> list[Run]:
    """Return the other runs that may have scores of the same model for the same instances, newest first."""
    alike = [r for r in store.runs() if (r.model, r.dataset, r.state) == (run.model, run.dataset, "complete")]
    return [other for other in Need(("attributions",)).among(alike) if other.id != run.id]


def _agreement(own: Run, method: str, run: Run, pairs: list[tuple[Record, Record]]) -> Record:
    import numpy as np

    is_held = not (own.move_first and run.move_first)
    unscored = [one["target"] if run.task == "masked-lm" else 0 if is_held else None for one, _ in pairs]
    rhos = np.array([_rhos(*pair, without) for pair, without in zip(pairs, unscored, strict=True)], float)
    is_known = ~np.isnan(rhos)
    tokens, words = intervals(np.where(is_known, rhos, 0), is_known)
    return {"method": method, "run": run.id, "tokens": tokens, "words": words, "instances": len(pairs)}


def _rhos(one: Record, other: Record, without: int | None) -> tuple[float | None, float | None]:
    """Return Spearman's rho of two instances' |scores| over all tokens but one, and over words."""
    from ipgraph.queries.reports.correlation import spearman

    kept = [k for k in range(len(one["scores"])) if k != without]
    words = [k for k in kept if one["word_indices"][k] >= 0]
    pairs = [[[abs(row["scores"][k]) for k in places] for row in (one, other)] for places in (kept, words)]
    return spearman(*pairs[0]), spearman(*pairs[1])


def largest_group(scored: Scored) -> tuple[str, str, list[str]]:
    """Return the subtask, condition and roles of the structure of most instances; no roles where two tie."""
    structures = Counter((row["subtask"], row["condition"], *row["roles"]) for row in scored.instances)
    (first, most), *others = structures.most_common(2)
    is_only = not any((key[:2], times) == (first[:2], most) for key, times in others)
    return first[0], first[1], list(first[2:]) if is_only else []


def scores(
    store: "Store", *, run: RunId = "", subtask: Subtask = "", condition: Condition = "", limit: Limit = 20
) -> list[Table]:
    """Scores of tokens by any method: shares by role, and whether the other methods agree."""
    scored = Scored.of(store, (), run, subtask, condition)
    return [facts(scored.run), by_role(scored), agreement(store, scored, limit)]


REPORTS = (Report("scores", "Scores of tokens", scores, needs="scores"),)
