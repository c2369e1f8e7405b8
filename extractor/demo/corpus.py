"""What the demo models are trained on: the training side of the grammars, and variants of their sentences.

The variants (an opening word, an adjective before a noun, other prepositions, no attractor at all) move the
words about, so that a model cannot get by on absolute positions.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ipgraph.extractor.datasets.grammars import words
from ipgraph.extractor.datasets.grammars.agreement import (
    ATTRACTOR,
    ATTRACTOR_THE,
    IS_ADJECTIVE,
    NUMBER,
    SUBJECT,
    THE,
    agreement,
    crossed,
    noun,
)
from ipgraph.extractor.datasets.grammars.grammar import Condition, Grammar, Sentence, Slot, draws
from ipgraph.extractor.datasets.registry import GRAMMARS, GROUPS

_OPENINGS = ("today", "now", "often", "sometimes", "indeed", "perhaps")
_TRAITS = {
    SUBJECT: tuple(form for (form,) in words.ADJECTIVES),
    ATTRACTOR: tuple(form for (form,) in words.ADJECTIVES),
    "work": ("new", "latest", "long", "short", "famous"),
}
"""Adjectives that may stand before a noun, by its role."""
_VARIED = 0.25  # how often each variation is made

_NEAR = (
    THE,
    noun(SUBJECT),
    Slot("preposition", words.one_form("near behind beside with")),
    ATTRACTOR_THE,
    noun(ATTRACTOR),
    *IS_ADJECTIVE,
)
_PLAIN = (THE, noun(SUBJECT), *IS_ADJECTIVE)


def agreement_grammars() -> list[Grammar]:
    """Return the six agreement grammars, and two that only training uses."""
    near = agreement("near", "a one-word preposition", crossed(NUMBER, _NEAR))
    plain = agreement("plain", "no attractor", crossed(NUMBER, _PLAIN))
    return [*(GRAMMARS[name] for name in GROUPS["all"][1]), near, plain]


def sentiment_grammars() -> list[Grammar]:
    """Return the sentiment grammar, and shorter ones (`this film was good .`) for training.

    The bare verdicts bring the negated sentences down to a third. At one half the label is the exclusive or
    of verdict and negation, neither says anything alone, and training does not get started.
    """
    full = GRAMMARS["sentiment"]
    short = replace(full, name="short", conditions=tuple(_without_aspect(c) for c in full.conditions))
    bare = replace(full, name="bare", conditions=tuple(_bare(c) for c in full.conditions if _is_plain(c)))
    both = replace(full, name="both", conditions=tuple(_without_aspect(c) for c in bare.conditions))
    return [full, short, bare, both]


def _without_aspect(condition: Condition) -> Condition:
    return replace(condition, slots=condition.slots[3:])


def _is_plain(condition: Condition) -> bool:
    return any(slot.role == "intensifier" for slot in condition.slots)


def _bare(condition: Condition) -> Condition:
    return replace(condition, slots=tuple(slot for slot in condition.slots if slot.role != "intensifier"))


def vocabulary(grammars: Sequence[Grammar]) -> list[str]:
    """Return every word of the grammars and of their variants, in alphabetical order."""
    slots = [slot for grammar in grammars for condition in grammar.conditions for slot in condition.slots]
    forms = {form for slot in slots for choice in slot.choices for form in choice}
    traits = {form for slot in slots for form in _TRAITS.get(slot.role, ())}
    return sorted(forms | traits | set(_OPENINGS))


def training_sentences(grammars: Sequence[Grammar], seed: int) -> Iterator[Sentence]:
    """Yield varied sentences of the training side without end, grammars and conditions at random."""
    streams = [draws(g, condition, seed, held_out=False) for g in grammars for condition in g.conditions]
    generator = random.Random(f"training {seed}")  # noqa: S311 - nothing secret
    while True:
        yield vary(next(streams[int(generator.random() * len(streams))]), generator)


def vary(sentence: Sentence, generator: random.Random) -> Sentence:
    """Return the sentence with an opening word and adjectives put in at random."""
    opening = [(_pick(_OPENINGS, generator), "opening")] if generator.random() < _VARIED else []
    varied = list(opening)
    for word, role in zip(sentence.words, sentence.roles, strict=True):
        if role in _TRAITS and generator.random() < _VARIED:
            varied.append((_pick(_TRAITS[role], generator), "modifier"))
        varied.append((word, role))
    return replace(sentence, words=tuple(w for w, _ in varied), roles=tuple(r for _, r in varied))


def _pick(choices: Sequence[str], generator: random.Random) -> str:
    return choices[int(generator.random() * len(choices))]
