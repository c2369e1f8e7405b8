"""Statistics over instances: what passes each candidate (a head, a subpath, a word, ...) in every instance.

Intervals are percentile bootstraps over instances. The stability of a ranking is the mean Jaccard overlap of
its first k candidates with those of each of 100 bootstrap samples.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from ipgraph.graphstore.common.bootstrap import RESAMPLES, Bootstrap, Interval, interval, ratios
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, Record, Rows, ask

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ipgraph.graphstore.store.protocol import Store

    Floats = npt.NDArray[np.float64]

Rank = Literal["count", "influence"]
STABILITY_SAMPLES = 100
STABLE = 0.8
"""The stability below which a report adds a caution."""
_TIE = 1e-9
"""Mean influences that differ by less count as equal, as in the templates."""
INTERVALS = f"95% intervals: percentile bootstrap over instances ({RESAMPLES:,} resamples, seed 0)"


@lru_cache(4)
def resamples(instances: int) -> "Floats":
    """Return how often each instance is in the sample and in its resamples, [1 + R, instances]."""
    return Bootstrap().counts(instances)


def intervals(numerators: "npt.ArrayLike", denominators: "npt.ArrayLike" = 1.0) -> list[Interval | None]:
    """Return the ratio of two sums over instances of each candidate, with its interval; None if it has none.

    `numerators` [instances, candidates]; `denominators` like them, or [instances]; 1 gives the mean.
    """
    import numpy as np

    table = np.asarray(numerators, np.float64)
    if not table.size:
        return [None] * table.shape[1]
    return as_intervals(ratios(resamples(len(table)), table, denominators))


def as_intervals(values: "Floats") -> list[Interval | None]:
    """Return the intervals of statistics [samples, candidates]; None where the sample's own is nan."""
    found = map(interval, values.T)
    return [None if one.value != one.value else one for one in found]


@dataclass(frozen=True, slots=True)
class Tally:
    """What passes each candidate in each instance: arrays [instances, candidates] that hold few numbers."""

    candidates: list[Any]
    patterns: Any
    """How many patterns."""
    weights: Any
    """The sum of their |influence|."""
    parts: Any
    """The same as a share of the instance's sum."""

    @property
    def used(self) -> Any:
        """1 where a pattern of the instance passes the candidate."""
        return self.patterns.sign()

    def at(self, table: Any, candidates: Iterable[Hashable]) -> "Floats":
        """Return an array's columns of some candidates, [instances, candidates]; zeros of those unknown."""
        import numpy as np

        places = {candidate: place for place, candidate in enumerate(self.candidates)}
        wanted = [places.get(candidate) for candidate in candidates]
        columns: Floats = np.zeros((table.shape[0], len(wanted)))
        known = [k for k, place in enumerate(wanted) if place is not None]
        if known:
            columns[:, known] = table[:, [place for place in wanted if place is not None]].toarray()
        return columns


def first(
    candidates: list[Any], table: Any, k: int, denominators: Any = None
) -> tuple[list[Any], float | None]:
    """Return the first k candidates by their means over instances, of equals in order, and their stability.

    `table` [instances, candidates] may be sparse; with `denominators` like it, the |ratio| of the sums is
    what ranks. There is no stability of a list of over half of all candidates.
    """
    import numpy as np

    if not candidates:
        return [], None
    samples = STABILITY_SAMPLES if 2 * k <= len(candidates) else 0
    counts = resamples(table.shape[0])[: 1 + samples]
    means = np.asarray((table.T @ counts.T).T) / table.shape[0]
    if denominators is not None:
        means = np.abs(np.nan_to_num(ratios(counts, table, denominators)))
    places = np.argsort(-np.floor(means / _TIE), axis=1, kind="stable")[:, :k]
    whole, *drawn = (set(row.tolist()) for row in places)
    overlaps = [len(whole & sample) / len(whole | sample) for sample in drawn]
    return [candidates[place] for place in places[0]], float(np.mean(overlaps)) if overlaps else None


def stability_note(k: int, stability: float | None) -> str:
    """Return what a note says of a ranking's stability; empty where there is none."""
    if stability is None:
        return ""
    said = (
        f"stability {stability:.2f}: mean overlap with the first {k} of {STABILITY_SAMPLES} bootstrap samples"
    )
    return said + ("; caution: other instances may give another list" if stability < STABLE else "")


@dataclass(frozen=True, slots=True)
class Sample:
    """The patterns of a scope, and the number of each one's instance."""

    rows: Rows
    patterns: list[Record]
    numbers: list[int]
    parts: list[float]
    """|influence| of each pattern as a share of its instance's sum."""
    instances: int

    @classmethod
    def of(cls, store: "Store", by: str = "position", **scope: Any) -> "Sample":
        """Return the patterns of a scope; `by` is what names the place of a node in their routes."""
        rows = ask("routes", store, **scope, by=by, limit=NO_LIMIT)
        return cls.from_patterns(rows, rows.records())

    @classmethod
    def from_patterns(cls, rows: Rows, patterns: list[Record]) -> "Sample":
        """Return a sample of some of the patterns of rows, and of the instances that have one."""
        places: dict[str, int] = {}
        numbers = [places.setdefault(p["instance"], len(places)) for p in patterns]
        sums = [0.0] * len(places)
        for number, p in zip(numbers, patterns, strict=True):
            sums[number] += abs(p["influence"])
        parts = [
            abs(p["influence"]) / sums[number] if sums[number] else 0.0
            for number, p in zip(numbers, patterns, strict=True)
        ]
        return cls(rows, patterns, numbers, parts, len(places))

    def only(self, keep: Callable[[Record], bool]) -> "Sample":
        """Return the sample of the patterns that are to be kept."""
        return Sample.from_patterns(self.rows, list(filter(keep, self.patterns)))

    def total(self, value: Callable[[Record], float]) -> "Floats":
        """Return the sum of a value over each instance's patterns, [instances]."""
        import numpy as np

        weights = np.array([value(p) for p in self.patterns], np.float64)
        sums: Floats = np.bincount(self.numbers, weights, self.instances).astype(np.float64)
        return sums

    def tally(self, candidates: Callable[[Record], Iterable[Any]]) -> Tally:
        """Return what passes each candidate, given the candidates that a pattern passes."""
        import numpy as np
        from scipy.sparse import coo_array

        passed = [list(candidates(p)) for p in self.patterns]
        every = sorted({candidate for some in passed for candidate in some})
        places = {candidate: place for place, candidate in enumerate(every)}
        times = [len(some) for some in passed]
        where = (
            np.repeat(np.asarray(self.numbers, int), times),
            np.array([places[candidate] for some in passed for candidate in some], int),
        )
        sizes = (np.ones(len(passed)), [abs(p["influence"]) for p in self.patterns], self.parts)
        shape = (self.instances, len(every))
        tables = (coo_array((np.repeat(size, times), where), shape=shape).tocsr() for size in sizes)
        return Tally(every, *tables)

    def note(self, *more: str) -> str:
        """Return how many instances the numbers are of and what intervals are, after what else is said."""
        return "; ".join(filter(None, [*more, f"n = {self.instances:,} instances", INTERVALS]))

    def scoped(self, **shown: Any) -> Rows:
        """Return its rows with further parameters, for a note to say."""
        parameters: Parameters = {**self.rows.parameters, **shown}
        return Rows(self.rows.columns, self.rows.rows, self.rows.cypher, parameters)
