"""What a flow diagram shows: words in rows, nodes at each layer, edges between; and that of one sentence."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.records import LEVELS, Level
from ipgraph.queries.views.sentence import SKIP, Sentence, WordPattern

THRESHOLD = 0.05
"""Share of sum |g| below which a word's pattern is left out: the rule of the paper's published code."""

Weight = Literal["influence", "mean", "difference", "flow"]
"""What an edge's width says: |I| up to the hop, the mean of many sentences, the difference of two, a flow."""
EdgeKey = tuple[int, int, int, str, int]
"""What makes two hops one edge: layer, source, target, through, sign."""


Bars = tuple[float | None, ...]
"""A word's bars: total influence, that of its embedding and attention pattern; None where there is none."""
BAR_NAMES = ("total g", "embedding I(πᵉ)", "attention I(πᵃ)")


@dataclass(frozen=True, slots=True)
class Row:
    """A word: its label, whether that is a role, its bars, and the layers that have its nodes (None: all)."""

    label: str
    is_role: bool = False
    bars: Bars = (None, None, None)
    layers: range | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A hop into a layer: between two rows, through a head ("1".."A"), SKIP, or "" at the embedding level."""

    layer: int
    source: int
    target: int
    through: str
    sign: int
    weight: float
    skips: int = 0  # layers between the one that it leaves and `layer`

    @property
    def start(self) -> int:
        """The layer that it leaves."""
        return self.layer - 1 - self.skips


@dataclass(frozen=True, slots=True)
class Diagram:
    """A flow diagram, and what its edges' weights mean."""

    title: str
    rows: tuple[Row, ...]
    edges: tuple[Edge, ...]
    layers: int
    target: int
    weight: Weight
    signs: tuple[str, str] = ("positive", "negative")
    """What an edge of sign 1, and one of sign -1, stands for."""
    note: str = ""
    """How edges were chosen and weighed, where that needs saying."""
    empty: str = ""
    """Why there is no edge, where there is none."""
    measure: str = "influence"
    """What bars show."""
    bar_names: tuple[str, ...] = BAR_NAMES

    def layers_of(self, row: int) -> range:
        """Return the layers in which a row has nodes, its input's the first."""
        return self.rows[row].layers or range(self.layers + 1)

    @property
    def starts(self) -> dict[int, set[int]]:
        """The signs of what starts at each row's input."""
        signs: dict[int, set[int]] = defaultdict(set)
        for edge in self.edges:
            if edge.start == self.layers_of(edge.source).start:
                signs[edge.source].add(edge.sign)
        return dict(signs)

    @property
    def met(self) -> set[tuple[int, int]]:
        """The nodes (layer, row) that an edge enters or leaves."""
        return {node for e in self.edges for node in ((e.start, e.source), (e.layer, e.target))}

    def is_dashed(self, edge: Edge) -> bool:
        """Tell whether an edge is dashed: a skip, or in a flow network one of the minimum cut."""
        return edge.through == SKIP or (self.weight == "flow" and edge.sign < 0)


def edges_of(pattern: WordPattern) -> Iterator[Edge]:
    """Yield a pattern's hops as edges; the weight is |influence| of the pattern up to the hop."""
    for hop in pattern.hops():
        yield Edge(hop.layer, hop.source, hop.target, hop.through, pattern.sign, abs(hop.influence))


def finest(sentences: Iterable[Sentence]) -> Level:
    """Return the attention level where every sentence with patterns has it, else the embedding level."""
    return "attention" if all("attention" in s.levels for s in sentences if s.levels) else "embedding"


def of_sentence(sentence: Sentence, level: Level | None = None, threshold: float = THRESHOLD) -> Diagram:
    """Return the diagram of a sentence: edges of words with at least `threshold` of the sum of |g|."""
    level = level or finest([sentence])
    require_level(sentence, level)
    weights: dict[EdgeKey, float] = defaultdict(float)
    patterns = sentence.at(level)
    for pattern in drawn_patterns(patterns, threshold):
        for edge in edges_of(pattern):
            weights[key_of(edge)] += edge.weight
    bars = mean_bars([sentence])
    rows = tuple(Row(token, bars=bars[at]) for at, token in enumerate(sentence.tokens))
    empty = "" if weights else why_nothing(patterns, threshold)
    layers = layers_of(sentence.patterns)
    return Diagram(
        _title(sentence), rows, edges_from(weights), layers, sentence.target, "influence", empty=empty
    )


def drawn_patterns(patterns: Sequence[WordPattern], threshold: float) -> list[WordPattern]:
    """Return the patterns, all of one level, whose |g| is at least `threshold` of the sum of |g|."""
    least = threshold * sum(abs(p.total_influence) for p in patterns)
    return [p for p in patterns if abs(p.total_influence) >= least]


def why_nothing(patterns: Sequence[WordPattern], threshold: float) -> str:
    """Return why none of a sentence's patterns, all of one level, is drawn."""
    sizes = [abs(p.total_influence) for p in patterns]
    if not sizes:
        return "no word of this sentence has a pattern"
    greatest = max(sizes) / (sum(sizes) or 1)
    return f"no word has {threshold:.0%} of the sum of |g|; the greatest has {greatest:.1%}"


def require_level(sentence: Sentence, level: Level) -> None:
    """Raise UsageError if a sentence has patterns, but none at this level."""
    if sentence.levels and level not in sentence.levels:
        has = " and ".join(sentence.levels)
        raise UsageError(f"{sentence.id} has no patterns at the {level} level in this run; it has {has}")


def _title(sentence: Sentence) -> str:
    return f"{sentence.condition or sentence.name}   {sentence.qoi_of} = {sentence.qoi:+.2f}"


def key_of(edge: Edge) -> EdgeKey:
    """Return what makes a hop the same edge as another."""
    return edge.layer, edge.source, edge.target, edge.through, edge.sign


def edges_from(weights: Mapping[EdgeKey, float]) -> tuple[Edge, ...]:
    """Return the edges of these weights, layer by layer."""
    return tuple(Edge(*key, weight) for key, weight in sorted(weights.items()))


def layers_of(patterns: Iterable[WordPattern]) -> int:
    """Return the last layer that patterns reach."""
    return max((hop.layer for pattern in patterns for hop in pattern.hops()), default=0)


def mean_bars(sentences: Sequence[Sentence]) -> dict[int, Bars]:
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
