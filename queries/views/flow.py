"""What a flow diagram shows: words in rows, nodes at each layer, edges between; of one sentence or many."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.records import LEVELS, Level
from ipgraph.queries.views.sentence import Sentence, WordPattern

THRESHOLD = 0.05
"""Share of sum |g| below which a word's pattern is left out: the rule of the paper's published code."""
MIN_SHARE = 0.1
"""Share of instances below which an edge of an aggregate is left out."""


EdgeKey = tuple[int, int, int, str, int]
"""What makes two hops one edge: layer, source, target, through, sign."""


@dataclass(frozen=True, slots=True)
class Row:
    """A word: its label, and its bars (total influence, that of its patterns by level; None: no bar)."""

    label: str
    is_role: bool = False
    bars: tuple[float | None, ...] = (None, None, None)


@dataclass(frozen=True, slots=True)
class Edge:
    """A hop into a layer: between two rows, through a head ("1".."A"), SKIP, or "" at the embedding level."""

    layer: int
    source: int
    target: int
    through: str
    sign: int
    weight: float


@dataclass(frozen=True, slots=True)
class Diagram:
    """A flow diagram, and what its edges' weights mean."""

    title: str
    rows: tuple[Row, ...]
    edges: tuple[Edge, ...]
    layers: int
    target: int
    weight: str
    """`influence` or `share`: what the width of an edge says."""

    @property
    def starts(self) -> dict[int, set[int]]:
        """The signs of what starts at each row's input."""
        signs: dict[int, set[int]] = defaultdict(set)
        for edge in self.edges:
            if edge.layer == 1:
                signs[edge.source].add(edge.sign)
        return dict(signs)

    @property
    def met(self) -> set[tuple[int, int]]:
        """The nodes (layer, row) that an edge enters or leaves."""
        return {node for e in self.edges for node in ((e.layer - 1, e.source), (e.layer, e.target))}


def edges_of(pattern: WordPattern) -> Iterator[Edge]:
    """Yield a pattern's hops as edges; the weight is |influence| of the pattern up to the hop."""
    for hop in pattern.hops():
        yield Edge(hop.layer, hop.source, hop.target, hop.through, pattern.sign, abs(hop.influence))


def finest(sentences: Iterable[Sentence]) -> Level:
    """Return the attention level where every sentence has it, else the embedding level."""
    return "attention" if all("attention" in s.levels for s in sentences) else "embedding"


def of_sentence(sentence: Sentence, level: Level | None = None, threshold: float = THRESHOLD) -> Diagram:
    """Return the diagram of a sentence: edges of words with at least `threshold` of the sum of |g|."""
    level = level or finest([sentence])
    _require(sentence, level)
    weights: dict[EdgeKey, float] = defaultdict(float)
    for edge in _drawn(sentence, level, threshold):
        weights[_key(edge)] += edge.weight
    bars = _bars([sentence])
    rows = tuple(Row(token, bars=bars[at]) for at, token in enumerate(sentence.tokens))
    layers = _layers(sentence.patterns)
    return Diagram(_title(sentence), rows, _edges(weights), layers, sentence.target, "influence")


def of_condition(
    sentences: Sequence[Sentence],
    title: str,
    level: Level | None = None,
    threshold: float = THRESHOLD,
    min_share: float = MIN_SHARE,
) -> Diagram:
    """Return the diagram of many sentences of one structure: edges by the share of sentences that take them.

    In each sentence the words count that would be drawn of it alone. A row carries its word where all
    sentences have the same there, else its role. Raises UsageError for sentences that differ in length, roles
    or target.
    """
    if not sentences:
        raise UsageError(f"{title}: no instance of the run is of this condition")
    level = level or finest(sentences)
    for sentence in sentences:
        _require(sentence, level)
    _require_one_structure(sentences, title)
    taken: Counter[EdgeKey] = Counter()
    for sentence in sentences:
        taken.update({_key(edge) for edge in _drawn(sentence, level, threshold)})
    shares = {key: count / len(sentences) for key, count in taken.items()}
    kept = {key: share for key, share in shares.items() if share >= min_share}
    bars, roles = _bars(sentences), enumerate(sentences[0].roles)
    rows = tuple(_row({s.tokens[at] for s in sentences}, role, bars[at]) for at, role in roles)
    layers = max(_layers(s.patterns) for s in sentences)
    caption = f"{title}   n = {len(sentences):,}"
    return Diagram(caption, rows, _edges(kept), layers, sentences[0].target, "share")


def structures(sentences: Iterable[Sentence]) -> Counter[tuple[tuple[str, ...], int]]:
    """Count the sentences of each structure: the roles of its tokens and the target's position."""
    return Counter((s.roles, s.target) for s in sentences)


def _drawn(sentence: Sentence, level: Level, threshold: float) -> Iterator[Edge]:
    """Yield the hops of the words whose |g| is at least `threshold` of the sum of |g|."""
    patterns = [p for p in sentence.patterns if p.level == level]
    least = threshold * sum(abs(p.total_influence) for p in patterns)
    for pattern in patterns:
        if abs(pattern.total_influence) >= least:
            yield from edges_of(pattern)


def _require(sentence: Sentence, level: Level) -> None:
    if level not in sentence.levels:
        has = " and ".join(sentence.levels) or "no patterns"
        raise UsageError(f"{sentence.id} has no patterns at the {level} level in this run; it has {has}")


def _require_one_structure(sentences: Sequence[Sentence], title: str) -> None:
    kinds = structures(sentences)
    if len(kinds) > 1:
        variety = {
            "length": len({len(roles) for roles, _ in kinds}),
            "roles": len({roles for roles, _ in kinds}),
            "target": len({target for _, target in kinds}),
        }
        what = ", ".join(name for name, count in variety.items() if count > 1)
        sizes = ", ".join(f"{count}" for _, count in kinds.most_common(5))
        raise UsageError(
            f"{title}: the {len(sentences)} instances are of {len(kinds)} structures ({sizes}), which differ "
            f"in {what}, so positions do not compare; choose a subtask or condition of one structure"
        )


def _title(sentence: Sentence) -> str:
    return f"{sentence.condition or sentence.name}   {sentence.qoi_of} = {sentence.qoi:+.2f}"


def _row(tokens: set[str], role: str, bars: tuple[float | None, ...]) -> Row:
    return Row(next(iter(tokens)), bars=bars) if len(tokens) == 1 else Row(role, is_role=True, bars=bars)


def _key(edge: Edge) -> EdgeKey:
    return edge.layer, edge.source, edge.target, edge.through, edge.sign


def _edges(weights: Mapping[EdgeKey, float]) -> tuple[Edge, ...]:
    return tuple(Edge(*key, weight) for key, weight in sorted(weights.items()))


def _layers(patterns: Iterable[WordPattern]) -> int:
    return max((hop.layer for pattern in patterns for hop in pattern.hops()), default=0)


def _bars(sentences: Sequence[Sentence]) -> dict[int, tuple[float | None, ...]]:
    """Return each position's bars: means over the sentences whose word there has a pattern."""
    values: dict[int, tuple[list[float], ...]] = defaultdict(lambda: ([], [], []))
    for sentence in sentences:
        totals = {p.position: p.total_influence for p in sentence.patterns}
        for position, total in totals.items():
            values[position][0].append(total)
        for pattern in sentence.patterns:
            values[pattern.position][1 + LEVELS.index(pattern.level)].append(pattern.influence)
    count = len(sentences[0].tokens)
    return {at: tuple(sum(v) / len(v) if v else None for v in values[at]) for at in range(count)}
