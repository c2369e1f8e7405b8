"""Template grammars: how a built-in dataset's sentences are drawn.

A grammar has evenly used conditions; a condition is a fixed row of slots. A slot holds choices of one form,
or of two where a feature of the condition (the subject's number, the verdict's polarity) picks the form.
Sentences fall on the training side of the demo models or on the held-out side by a hash of their content
words (lemmas, so that a sentence and its plural fall on the same side); datasets are held out.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ipgraph.extractor.datasets.example import MASK, Example, Task, make_instance

TARGET = "target"
"""The role of the masked position."""
SENTENCES = 1000
"""Sentences of a grammar, evenly over its conditions."""
_HELD_OUT_SHARE = 0.25

Choice = tuple[str, ...]
"""The forms of one word: one, or two (singular and plural, male and female, negative and positive)."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One position of a template."""

    role: str
    choices: tuple[Choice, ...]
    feature: str = ""  # which feature of the condition picks the form; "" where there is only one


@dataclass(frozen=True, slots=True)
class Condition:
    """One of a grammar's conditions: its features (name to the index of a form) and its row of slots."""

    name: str
    features: Mapping[str, int]
    slots: tuple[Slot, ...]
    label: int = -1  # the class, for a classifier


@dataclass(frozen=True, slots=True)
class Grammar:
    """A built-in dataset; `content` names the roles whose words decide the held-out split."""

    name: str
    task: Task
    description: str
    conditions: tuple[Condition, ...]
    content: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A drawn sentence, its target in place: words and roles by position, and the content words' lemmas."""

    condition: Condition
    words: tuple[str, ...]
    roles: tuple[str, ...]
    content: tuple[str, ...]
    wrong: str = ""  # the target's other form; "" where there is no target

    @property
    def correct(self) -> str:
        """The target's form; "" where there is no target."""
        return self.words[self.roles.index(TARGET)] if TARGET in self.roles else ""

    @property
    def text(self) -> str:
        """The words joined by spaces, the target masked."""
        masked = (MASK if role == TARGET else word for word, role in zip(self.words, self.roles, strict=True))
        return " ".join(masked)


def is_held_out(content: tuple[str, ...]) -> bool:
    """Tell whether sentences with these content words (lemmas) are kept from the demo models' training."""
    digest = hashlib.sha256(" ".join(content).encode()).digest()
    return digest[0] < 256 * _HELD_OUT_SHARE


def draws(grammar: Grammar, condition: Condition, seed: int, *, held_out: bool) -> Iterator[Sentence]:
    """Yield sentences of one side of the split without end; they can repeat.

    The same seed gives the same sentences on every machine and Python version.
    """
    generator = random.Random(f"{grammar.name} {condition.name} {seed}")  # noqa: S311 - nothing secret
    while True:
        sentence = _draw(condition, grammar.content, generator)
        distinct = len(set(sentence.content)) == len(sentence.content)
        if distinct and is_held_out(sentence.content) == held_out:
            yield sentence


def _draw(condition: Condition, content: tuple[str, ...], generator: random.Random) -> Sentence:
    # Only random() itself is promised to give the same numbers in every Python version.
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
    """Return a grammar's SENTENCES held-out examples, all distinct, its conditions taking turns."""
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
