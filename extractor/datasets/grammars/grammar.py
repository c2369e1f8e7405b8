"""Template grammars, from which the sentences of the built-in datasets are drawn.

A grammar has several conditions, used equally often; a condition is a fixed sequence of slots. A slot has
choices with one form, or with two forms between which a feature of the condition (the number of the subject,
the polarity of the verdict) decides. A hash of the content words (lemmas, so that a sentence and its plural
are on the same side) puts each sentence into the training data of the demo models or into the datasets.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ipgraph.extractor.datasets.example import MASK, Example, Task, make_instance

TARGET = "target"
"""The role of the masked position."""
SENTENCES = 1000
"""Sentences per grammar, evenly over its conditions."""
_HELD_OUT_SHARE = 0.25

Choice = tuple[str, ...]
"""The forms of one word: one, or two (singular and plural, male and female, negative and positive)."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One position of a template."""

    role: str
    choices: tuple[Choice, ...]
    feature: str = ""  # the feature of the condition that decides the form; "" if there is only one


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a grammar: its features (name to the index of a form) and its sequence of slots."""

    name: str
    features: Mapping[str, int]
    slots: tuple[Slot, ...]
    label: int = -1  # the class, for a classifier


@dataclass(frozen=True, slots=True)
class Grammar:
    """A built-in dataset; `content` has the roles of the words that decide the held-out split."""

    name: str
    task: Task
    description: str
    conditions: tuple[Condition, ...]
    content: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A drawn sentence, target included: words and roles by position, and the lemmas of the content words."""

    condition: Condition
    words: tuple[str, ...]
    roles: tuple[str, ...]
    content: tuple[str, ...]
    wrong: str = ""  # the other form of the target; "" if there is no target

    @property
    def correct(self) -> str:
        """The form of the target; "" if there is no target."""
        return self.words[self.roles.index(TARGET)] if TARGET in self.roles else ""

    @property
    def text(self) -> str:
        """The words joined by spaces, the target masked."""
        masked = (MASK if role == TARGET else word for word, role in zip(self.words, self.roles, strict=True))
        return " ".join(masked)


def is_held_out(content: tuple[str, ...]) -> bool:
    """Tell whether sentences with these content words (lemmas) are excluded from training."""
    digest = hashlib.sha256(" ".join(content).encode()).digest()
    return digest[0] < 256 * _HELD_OUT_SHARE


def draws(grammar: Grammar, condition: Condition, seed: int, *, held_out: bool) -> Iterator[Sentence]:
    """Yield sentences of one side of the split, endlessly and with repetitions.

    The same seed gives the same sentences on every machine and Python version.
    """
    generator = random.Random(f"{grammar.name} {condition.name} {seed}")  # noqa: S311 - not for cryptography
    while True:
        sentence = _draw(condition, grammar.content, generator)
        distinct = len(set(sentence.content)) == len(sentence.content)
        if distinct and is_held_out(sentence.content) == held_out:
            yield sentence


def _draw(condition: Condition, content: tuple[str, ...], generator: random.Random) -> Sentence:
    # Python promises the same numbers in every version for random() only.
    picked = [slot.choices[int(generator.random() * len(slot.choices))] for slot in condition.slots]
    words, wrong = [], ""
    for slot, choice in zip(condition.slots, picked, strict=True):
        form = condition.features[slot.feature] if slot.feature else 0
        words.append(choice[form])
        if slot.role == TARGET:
            wrong = choice[1 - form]
    roles = tuple(slot.role for slot in condition.slots)
    lemmas = tuple(choice[0] for role, choice in zip(roles, picked, strict=True) if role in content)
    return Sentence(condition, tuple(words), roles, lemmas, wrong)


def generate(grammar: Grammar, seed: int = 0) -> list[Example]:
    """Return SENTENCES distinct held-out examples of a grammar, with its conditions in turn."""
    streams = [_distinct(draws(grammar, c, seed, held_out=True)) for c in grammar.conditions]
    return [
        _example(grammar, next(streams[number % len(streams)]), number + 1) for number in range(SENTENCES)
    ]


def _distinct(sentences: Iterator[Sentence]) -> Iterator[Sentence]:
    seen = set()
    for sentence in sentences:
        if sentence.text not in seen:
            seen.add(sentence.text)
            yield sentence


def _example(grammar: Grammar, sentence: Sentence, number: int) -> Example:
    instance = make_instance(
        grammar.name,
        sentence.text,
        correct=sentence.correct,
        wrong=sentence.wrong,
        label=sentence.condition.label,
        subtask=grammar.name,
        condition=sentence.condition.name,
    )
    return Example(instance, sentence.roles, f"{grammar.name}:{number}")
