"""Reports on words: their influence, and what forms of a word do."""

from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ipgraph.graphstore.common.errors import unknown
from ipgraph.queries.language.binding import require_known, resolve_run
from ipgraph.queries.language.needs import PATTERNS
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Record, ask
from ipgraph.queries.reports.declaration import (
    AtLevel,
    Condition,
    Limit,
    Report,
    Role,
    RunId,
    Sign,
    Subtask,
)
from ipgraph.queries.reports.parts import ACCURACY, OUR_CHOICE, as_table, require_limit
from ipgraph.queries.reports.sample import Sample, first, intervals, stability_note
from ipgraph.queries.reports.tables import Table, count, number, share, signed, text

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

WordRank = Literal["total", "influence", "count"]
RANKS: tuple[WordRank, ...] = ("total", "influence", "count")
G = "g: the word's influence; pattern: what its pattern carries of it"


def words(
    store: "Store",
    *,
    run: RunId = "",
    level: AtLevel = "",
    subtask: Subtask = "",
    condition: Condition = "",
    role: Role = "",
    sign: Sign = 0,
    at_least: Annotated[int, "Only words that occur in at least this many instances."] = 1,
    rank: Annotated[
        WordRank,
        "What ranks first: the largest mean |g| of an occurrence, most influence over all instances, or most "
        "instances.",
    ] = "total",
    limit: Limit = 20,
) -> list[Table]:
    """Influence by role, the most influential words, and how much of it their patterns carry."""
    if rank not in RANKS:
        raise unknown("ranking", rank, RANKS)
    require_limit(limit)
    if role:
        require_known(store, resolve_run(store, run, PATTERNS).id, "role", [role])
    sample = Sample.of(store, run=run, level=level, subtask=subtask, condition=condition)
    return [
        _roles(sample),
        _ranked_words(sample, role, sign, at_least, rank, limit),
        as_table(
            "Concentration",
            sample.rows,
            {
                "sign": signed("sign", 0),
                "concentration": number("concentration"),
                "instances": count("instances"),
            },
            sample.note(
                f"sum of the patterns' influences / sum of g within an instance, then averaged†; {OUR_CHOICE}"
            ),
            records=concentrations(sample),
        ),
    ]


def _roles(sample: Sample) -> Table:
    """Return the influence of the words of each role and sign."""
    import numpy as np

    places = range(len(sample.patterns))
    table = WordTable(sample, [_joined(sample, [k]) for k in places], lambda w: (w["role"], -w["sign"]))
    sizes = np.abs(table.totals)  # every pattern of a column has one sign
    columns = table.columns(table.candidates)
    columns["total_share"] = intervals(sizes, sizes.sum(1))
    columns["patterns"] = [int(n) for n in table.occurrences.sum(0)]
    records = [
        {"role": role, "sign": -minus, **{name: cells[k] for name, cells in columns.items()}}
        for k, (role, minus) in enumerate(table.candidates)
    ]
    shown = {
        "role": text("role"),
        "sign": signed("sign", 0),
        "total_share": share("of sum |g|"),
        "influence_share": share("of |I|"),
        "mean_total_influence": signed("mean g"),
        "mean_influence": signed("mean pattern"),
        "patterns": count("patterns"),
        "instances": count("instances"),
    }
    note = f"{G}; of |I|: share of the instance's sum of |pattern|, averaged over instances"
    return as_table("Influence by role and sign", sample.rows, shown, sample.note(note), records=records)


def words_of(sample: Sample) -> list[Record]:
    """Return each word of each instance: its pieces' patterns as one record, with the sign of their sum."""
    pieces: dict[Any, list[int]] = defaultdict(list)
    for k, p in enumerate(sample.patterns):
        pieces[p["instance"], p["role"], p["word"], p["word_index"]].append(k)
    return [_joined(sample, places) for places in pieces.values()]


def _joined(sample: Sample, places: list[int]) -> Record:
    """Return the patterns of a word's pieces, given their places in a sample, as one record."""
    patterns = [sample.patterns[k] for k in places]
    total = sum(p["total_influence"] for p in patterns)
    return {
        **patterns[0],
        "number": sample.numbers[places[0]],
        "total": total,
        "carried": sum(p["influence"] for p in patterns),
        "weight": sum(abs(p["influence"]) for p in patterns),
        "part": sum(sample.parts[k] for k in places),
        "sign": 1 if total >= 0 else -1,
    }


def _ranked_words(sample: Sample, role: str, sign: int, at_least: int, rank: WordRank, limit: int) -> Table:
    """Return the words that rank first, the pieces of a word taken together."""
    every = [w for w in words_of(sample) if role in ("", w["role"]) and sign in (0, w["sign"])]
    table = WordTable(sample, every, lambda w: (w["role"], w["word"], w["sign"]))
    kept = table.with_at_least(at_least)
    ranked, stability = table.first(kept, rank, limit)
    columns = table.columns(ranked)
    records = [
        {"role": role_, "word": word, "sign": sign_, **{name: cells[k] for name, cells in columns.items()}}
        for k, (role_, word, sign_) in enumerate(ranked)
    ]
    shown = {
        "role": text("role"),
        "word": text("word"),
        "mean_total_influence": signed("mean g"),
        "mean_influence": signed("mean pattern"),
        "influence_share": share("of |I|"),
        "instances": count("instances"),
        "influence": number("mean |I|"),
    }
    note = sample.note(
        "the pieces of a word taken together; means over its occurrences",
        "of |I| and mean |I|: |pattern| as a share of the instance's sum and as it is, over all instances",
        stability_note(len(ranked), stability),
    )
    where = sample.scoped(role=role, sign=sign, at_least=at_least)
    title = {
        "total": "Most influential words",
        "influence": "Words of most influence",
        "count": "Commonest words",
    }
    return as_table(title[rank], where, shown, note, records=records)


def concentrations(sample: Sample) -> list[Record]:
    """Return, by sign, the mean of an instance's sum of I over its sum of g, with its interval."""
    import numpy as np

    records: list[Record] = []
    for sign in (1, -1):
        of_sign = sample.only(lambda p, sign=sign: p["sign"] == sign)  # type: ignore[misc]
        if not of_sign.instances:
            continue
        carried, total = (of_sign.total(lambda p, n=n: p[n]) for n in ("influence", "total_influence"))  # type: ignore[misc]
        counted = total != 0
        quotients = np.divide(carried, total, out=np.zeros_like(carried), where=counted)
        [mean] = intervals(quotients[:, None], counted.astype(float))
        if mean is not None:
            records.append({"sign": sign, "instances": int(counted.sum()), "concentration": mean})
    return records


def lexical(
    store: "Store", *, role: Role, run: RunId = "", level: AtLevel = "", subtask: Subtask = ""
) -> list[Table]:
    """Accuracy, influence and share of all errors for each form of the word in a role."""
    sample = Sample.of(store, run=run, level=level, role=role, subtask=subtask)
    outcomes = ask("outcomes", store, run=run, subtask=subtask, limit=NO_LIMIT).records()
    columns = {
        "instances": count("instances"),
        "accuracy": share("accuracy"),
        "error_share": share("of all errors"),
        "mean_total_influence": signed("mean g"),
        "mean_influence": signed("mean pattern"),
    }
    by_condition = {"word": text("word"), "condition": text("condition"), **columns}
    note = sample.note(ACCURACY)
    return [
        as_table(title, sample.rows, named, note, records=_forms(sample, outcomes, names))
        for title, named, names in (
            (f"Forms of the {role}", {"word": text("word"), **columns}, ("word",)),
            ("The same, per condition", by_condition, ("word", "condition")),
        )
    ]


def _forms(sample: Sample, outcomes: list[Record], by: tuple[str, ...]) -> list[Record]:
    """Return what is said of each form of a word, over the instances that hold it and over all outcomes."""
    import numpy as np

    table = WordTable(sample, words_of(sample), lambda w: tuple(w[name] for name in by))
    places = {p["instance"]: n for p, n in zip(sample.patterns, sample.numbers, strict=True)}
    is_labelled, is_wrong = np.zeros(sample.instances), np.zeros(sample.instances)
    for row in outcomes:
        if (number_ := places.get(row["instance"])) is not None and row["is_labelled"]:
            is_labelled[number_], is_wrong[number_] = 1, not row["is_correct"]
    used = (table.occurrences > 0).astype(float)
    accuracy = intervals(used * (is_labelled - is_wrong)[:, None], used * is_labelled[:, None])
    wrong = [row["is_labelled"] and not row["is_correct"] for row in outcomes]
    of_form = np.zeros((len(outcomes), len(table.candidates)))
    for k, row in enumerate(outcomes):
        if wrong[k] and (number_ := places.get(row["instance"])) is not None:
            of_form[k] = used[number_]
    columns = table.columns(table.candidates)
    columns |= {"accuracy": accuracy, "error_share": intervals(of_form, np.array(wrong, float))}
    return [
        dict(zip(by, form, strict=True)) | {name: cells[k] for name, cells in columns.items()}
        for k, form in enumerate(table.candidates)
    ]


class WordTable:
    """What the occurrences of each word come to in every instance: arrays [instances, candidates]."""

    def __init__(self, sample: Sample, words: list[Record], key: Any) -> None:
        """Sum up the words of a sample by what `key` makes of each."""
        import numpy as np
        from scipy.sparse import coo_array

        self.candidates = sorted({key(word) for word in words})
        places = {candidate: place for place, candidate in enumerate(self.candidates)}
        where = ([w["number"] for w in words], [places[key(w)] for w in words])
        shape = (sample.instances, len(self.candidates))

        def summed(values: list[float]) -> Any:
            return coo_array((np.asarray(values, float), where), shape=shape).toarray()

        self.occurrences = summed([1.0] * len(words))
        self.totals, self.carried, self.weights, self.parts = (
            summed([w[name] for w in words]) for name in ("total", "carried", "weight", "part")
        )

    def with_at_least(self, instances: int) -> list[int]:
        """Return the places of the candidates that occur in at least so many instances."""
        counts = (self.occurrences > 0).sum(0)
        return [place for place, found in enumerate(counts) if found >= instances]

    def first(self, kept: list[int], rank: WordRank, k: int) -> tuple[list[Any], float | None]:
        """Return the first k of some candidates, and their stability."""
        candidates = [self.candidates[place] for place in kept]
        if rank == "total":
            return first(candidates, self.totals[:, kept], k, self.occurrences[:, kept])
        return first(
            candidates, self.weights[:, kept] if rank == "influence" else self.occurrences[:, kept] > 0, k
        )

    def columns(self, candidates: list[Any]) -> dict[str, list[Any]]:
        """Return the means of candidates with their intervals, and how many instances have each."""
        at = [self.candidates.index(candidate) for candidate in candidates]
        times = self.occurrences[:, at]
        return {
            "instances": [int(n) for n in (times > 0).sum(0)],
            "mean_total_influence": intervals(self.totals[:, at], times),
            "mean_influence": intervals(self.carried[:, at], times),
            "influence": intervals(self.weights[:, at]),
            "influence_share": intervals(self.parts[:, at]),
        }


REPORTS = (
    Report("words", "Words", words),
    Report("lexical", "Word forms", lexical),
)
