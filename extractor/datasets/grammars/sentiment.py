"""The sentiment grammar: verdicts on works, plain and negated.

By construction `not good` counts as negative and `not bad` as positive.
"""

from ipgraph.extractor.datasets.grammars import words
from ipgraph.extractor.datasets.grammars.grammar import Condition, Grammar, Slot

NEGATIVE, POSITIVE = 0, 1
"""The classes, and the index of a verdict's form."""


def verdict(polarity: int, *, negated: bool, slots: tuple[Slot, ...]) -> Condition:
    """Return the condition of one polarity; negation reverses its label."""
    name = ("not_" if negated else "") + ("negative", "positive")[polarity]
    return Condition(name, {"polarity": polarity}, slots, label=1 - polarity if negated else polarity)


def slots(before_adjective: Slot) -> tuple[Slot, ...]:
    """Return `the ASPECT of this WORK was <slot> ADJECTIVE .`."""
    return (
        Slot("determiner", words.one_form("the")),
        Slot("subject", words.ASPECTS),
        Slot("preposition", words.one_form("of")),
        Slot("work_determiner", words.one_form("this that the")),
        Slot("work", words.WORKS),
        Slot("copula", words.one_form("is was")),
        before_adjective,
        Slot("adjective", words.VERDICTS, "polarity"),
        Slot("punct", words.one_form(".")),
    )


PLAIN = slots(Slot("intensifier", words.INTENSIFIERS))
NEGATED = slots(Slot("negation", words.one_form("not")))

SENTIMENT = Grammar(
    "sentiment",
    "classifier",
    "verdicts on works, plain and negated",
    (
        verdict(POSITIVE, negated=False, slots=PLAIN),
        verdict(POSITIVE, negated=True, slots=NEGATED),
        verdict(NEGATIVE, negated=False, slots=PLAIN),
        verdict(NEGATIVE, negated=True, slots=NEGATED),
    ),
    content=("subject", "work", "adjective"),
)
