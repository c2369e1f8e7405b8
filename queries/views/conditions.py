"""Flow diagrams of many sentences of one structure, and of the difference between two conditions.

An edge's weight is the share of the sentences that use it times their mean |I|: in each sentence the |I| of
the whole patterns of drawn words through the edge, at the diagram's level, added up. That is this sum's mean
over all sentences, with 0 for those that do not use the edge.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.records import Level
from ipgraph.queries.views.flow import (
    THRESHOLD,
    Bars,
    Diagram,
    EdgeKey,
    Row,
    drawn_patterns,
    edges_from,
    edges_of,
    finest,
    key_of,
    layers_of,
    mean_bars,
    require_level,
)
from ipgraph.queries.views.sentence import Sentence

MIN_SHARE = 0.1
"""Share of sentences below which an edge is left out."""
NO_ROLES = ("", "other", "punct")
"""Roles that words have where the dataset gives none."""
COMMONEST = 2
"""How many words name a row of several words without a role."""

Uses = Mapping[EdgeKey, float]
"""The edges that a sentence's drawn patterns use, each with the sum of their |I|."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which edges are drawn: the level, and the least shares of words (of sum |g|) and of sentences."""

    level: Level | None = None
    threshold: float = THRESHOLD
    min_share: float = MIN_SHARE


def of_condition(sentences: Sequence[Sentence], title: str, choice: Choice | None = None) -> Diagram:
    """Return the diagram of many sentences.

    In each sentence the words count that would be drawn of it alone. A row is named by its word where all
    sentences have the same there, else by its role, without roles by its commonest words. Raises UsageError
    for no sentences, and for sentences that differ in length, roles or target.
    """
    choice = _checked([(title, sentences)], choice or Choice())
    uses = [_uses(sentence, choice, is_signed=True) for sentence in sentences]
    kept = _kept([uses], choice)
    weights = {key: _mean(uses, key) for key in kept}
    caption = f"{title}   n = {_covered(uses, kept)}"
    rows = _rows(sentences, mean_bars(sentences))
    return replace(
        _diagram(sentences, caption, rows, weights),
        note=_note("Width of an edge", choice),
        empty="" if weights else _why_nothing([uses], choice),
    )


def of_difference(
    first: Sequence[Sentence],
    second: Sequence[Sentence],
    titles: tuple[str, str],
    choice: Choice | None = None,
) -> Diagram:
    """Return the diagram of two conditions' difference, first less second, which share one structure.

    An edge stands for patterns of either sign; its sign is that of the difference of its weights, its weight
    the difference's size. Bars are differences of means. Raises UsageError as `of_condition` does.
    """
    choice = _checked(list(zip(titles, (first, second), strict=True)), choice or Choice())
    uses = [[_uses(s, choice, is_signed=False) for s in group] for group in (first, second)]
    kept = _kept(uses, choice)
    apart = {key: _mean(uses[0], key) - _mean(uses[1], key) for key in kept}
    weights = {(*key[:4], 1 if d > 0 else -1): abs(d) for key, d in apart.items() if d}
    counts = " and ".join(_covered(group, kept) for group in uses)
    bars = [mean_bars(group) for group in (first, second)]
    both = [*first, *second]
    rows = _rows(both, {at: _less(bars[0][at], bars[1][at]) for at in bars[0]})
    drawn = _diagram(both, f"{titles[0]} − {titles[1]}   n = {counts}", rows, weights)
    alike = "both conditions use every edge alike" if kept else _why_nothing(uses, choice)
    return replace(
        drawn,
        weight="difference",
        signs=(f"more in {titles[0]}", f"more in {titles[1]}"),
        note=_note("Width of an edge: the difference, between the two conditions, of", choice)
        + " Bars are differences of means.",
        empty="" if weights else alike,
    )


def structures(sentences: Iterable[Sentence]) -> Counter[tuple[tuple[str, ...], int]]:
    """Count the sentences of each structure: the roles of its tokens and the target's position."""
    return Counter((s.roles, s.target) for s in sentences)


def _uses(sentence: Sentence, choice: Choice, *, is_signed: bool) -> Uses:
    influence: dict[EdgeKey, float] = defaultdict(float)
    patterns = sentence.at(choice.level or finest([sentence]))
    for pattern in drawn_patterns(patterns, choice.threshold):
        for edge in edges_of(pattern):
            key = key_of(edge)
            influence[key if is_signed else (*key[:4], 0)] += abs(pattern.influence)
    return influence


def _mean(uses: Sequence[Uses], key: EdgeKey) -> float:
    return sum(use.get(key, 0.0) for use in uses) / len(uses)


def _shares(uses: Sequence[Uses]) -> dict[EdgeKey, float]:
    return {key: count / len(uses) for key, count in Counter(k for u in uses for k in u).items()}


def _kept(groups: Sequence[Sequence[Uses]], choice: Choice) -> set[EdgeKey]:
    """Return the edges that a large enough share of the sentences of one of the groups uses."""
    return {key for uses in groups for key, share in _shares(uses).items() if share >= choice.min_share}


def _covered(uses: Sequence[Uses], kept: set[EdgeKey]) -> str:
    """Return how many sentences there are, and how many use a drawn edge where not all do."""
    count = sum(not kept.isdisjoint(use) for use in uses)
    return f"{len(uses):,}" + ("" if count == len(uses) else f" ({count:,} with a drawn edge)")


def _why_nothing(groups: Sequence[Sequence[Uses]], choice: Choice) -> str:
    shares = [share for uses in groups for share in _shares(uses).values()]
    if shares:
        return (
            f"no edge is used by {choice.min_share:.0%} of the sentences; the commonest by {max(shares):.0%}"
        )
    return f"no word of any sentence has a pattern and {choice.threshold:.0%} of the sum of |g|"


def _note(start: str, choice: Choice) -> str:
    joint = " " if start.endswith("of") else ": "
    words, edges = (f"{100 * share:.3g}%" for share in (choice.threshold, choice.min_share))
    return (
        f"{start}{joint}the share of the n sentences that use it times their mean |I|, the influence of the "
        f"whole {choice.level} patterns through it. Drawn: words with at least {words} of the sum of |g| of "
        f"their sentence; edges that at least {edges} of the sentences use."
    )


def _diagram(
    sentences: Sequence[Sentence],
    title: str,
    rows: tuple[Row, ...],
    weights: dict[EdgeKey, float],
) -> Diagram:
    layers = max(layers_of(s.patterns) for s in sentences)
    return Diagram(title, rows, edges_from(weights), layers, sentences[0].target, "mean")


def _checked(groups: Sequence[tuple[str, Sequence[Sentence]]], choice: Choice) -> Choice:
    """Return the choice with its level; raises UsageError for groups that cannot be one picture."""
    for title, sentences in groups:
        if not sentences:
            raise UsageError(f"{title}: no instance of the run is of this condition")
    every = [sentence for _, sentences in groups for sentence in sentences]
    level = choice.level or finest(every)
    for sentence in every:
        require_level(sentence, level)
    _require_one_structure(every, " and ".join(title for title, _ in groups))
    return replace(choice, level=level)


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


def _rows(sentences: Sequence[Sentence], bars: dict[int, Bars]) -> tuple[Row, ...]:
    roles = enumerate(sentences[0].roles)
    return tuple(_row(Counter(s.tokens[at] for s in sentences), role, bars[at]) for at, role in roles)


def _row(tokens: Counter[str], role: str, bars: Bars) -> Row:
    if len(tokens) == 1:
        return Row(next(iter(tokens)), bars=bars)
    if role not in NO_ROLES:
        return Row(role, is_role=True, bars=bars)
    ranked = sorted(tokens, key=lambda token: (-tokens[token], token))
    return Row("/".join(ranked[:COMMONEST]) + ("/…" if len(ranked) > COMMONEST else ""), bars=bars)


def _less(first: Bars, second: Bars) -> Bars:
    """Return the difference of two rows' bars; no bar where one of them has none."""
    pairs = zip(first, second, strict=True)
    return tuple(None if a is None or b is None else a - b for a, b in pairs)
