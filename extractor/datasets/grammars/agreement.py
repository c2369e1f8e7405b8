"""The six agreement grammars, after Marvin & Linzen (2018) and Lin et al. (2019), one structure each.

Lengths and target positions (with [CLS] and [SEP]) are those of Lu et al. (2021). The conditions cross a
feature of the subject with the same feature of the attractor, the noun between subject and target (in
`sva-wsc`: before the subject).
"""

from itertools import product

from ipgraph.extractor.datasets.grammars import words
from ipgraph.extractor.datasets.grammars.grammar import TARGET, Choice, Condition, Grammar, Slot

SUBJECT, ATTRACTOR = "subject", "attractor"
CONTENT = (SUBJECT, ATTRACTOR)
NUMBER = ("singular", "plural")
GENDER = ("male", "female")


def fixed(role: str, word: str) -> Slot:
    """Return a slot that always holds one word."""
    return Slot(role, ((word,),))


def crossed(values: tuple[str, str], slots: tuple[Slot, ...]) -> tuple[Condition, ...]:
    """Return the four conditions `<subject>_<attractor>` of one structure."""
    return tuple(
        Condition(f"{values[subject]}_{values[attractor]}", {SUBJECT: subject, ATTRACTOR: attractor}, slots)
        for subject, attractor in product((0, 1), repeat=2)
    )


def noun(role: str, choices: tuple[Choice, ...] = words.PEOPLE) -> Slot:
    """Return the slot of the subject or the attractor, whose own feature decides the form."""
    return Slot(role, choices, role)


THE = fixed("determiner", "the")
ATTRACTOR_THE = fixed("attr_determiner", "the")
THAT = fixed("relativizer", "that")
FULL_STOP = fixed("punct", ".")
IS_ADJECTIVE = (Slot(TARGET, words.COPULA, SUBJECT), Slot("adjective", words.ADJECTIVES), FULL_STOP)
THAT_THE_ATTRACTOR_VERBS = (
    THAT,
    ATTRACTOR_THE,
    noun(ATTRACTOR),
    Slot("clausal_verb", words.ATTITUDES, ATTRACTOR),
)
THAT_VERBS_THE_ATTRACTOR = (
    THAT,
    Slot("clausal_verb", words.ATTITUDES, SUBJECT),
    ATTRACTOR_THE,
    noun(ATTRACTOR),
)

OBJ = (THE, noun(SUBJECT), *THAT_THE_ATTRACTOR_VERBS, *IS_ADJECTIVE)
SUBJ = (THE, noun(SUBJECT), *THAT_VERBS_THE_ATTRACTOR, *IS_ADJECTIVE)
WSC = (
    ATTRACTOR_THE,
    noun(ATTRACTOR),
    Slot("verb", words.ASSERTED),
    THE,
    noun(SUBJECT),
    *IS_ADJECTIVE,
)
APP = (
    THE,
    noun(SUBJECT),
    fixed("preposition", "next"),
    fixed("preposition", "to"),
    ATTRACTOR_THE,
    noun(ATTRACTOR),
    *IS_ADJECTIVE,
)
NA = (
    THE,
    noun(SUBJECT),
    *THAT_THE_ATTRACTOR_VERBS,
    Slot("verb", words.ACTED),
    Slot(TARGET, words.NUMBER_REFLEXIVES, SUBJECT),
    FULL_STOP,
)
GA = (
    Slot("determiner", words.DETERMINERS),
    noun(SUBJECT, words.KIN_AND_RANKS),
    THAT,
    Slot("attr_determiner", words.DETERMINERS),
    noun(ATTRACTOR, words.KIN_AND_RANKS),
    Slot("clausal_aux", words.MODALS),
    Slot("clausal_verb", words.ACTS),
    Slot("aux", words.MODALS),
    Slot("verb", words.ACTS),
    Slot(TARGET, words.GENDER_REFLEXIVES, SUBJECT),
    FULL_STOP,
)


def agreement(name: str, description: str, conditions: tuple[Condition, ...]) -> Grammar:
    """Return a masked-lm grammar whose held-out split depends on subject and attractor."""
    return Grammar(name, "masked-lm", description, conditions, CONTENT)


SVA_OBJ = agreement(
    "sva-obj", "subject-verb agreement across an object relative clause", crossed(NUMBER, OBJ)
)
SVA_SUBJ = agreement(
    "sva-subj", "subject-verb agreement across a subject relative clause", crossed(NUMBER, SUBJ)
)
SVA_WSC = agreement("sva-wsc", "subject-verb agreement within a sentential complement", crossed(NUMBER, WSC))
SVA_APP = agreement("sva-app", "subject-verb agreement across a prepositional phrase", crossed(NUMBER, APP))
RA_NA = agreement("ra-na", "number agreement of a reflexive pronoun", crossed(NUMBER, NA))
RA_GA = agreement("ra-ga", "gender agreement of a reflexive pronoun", crossed(GENDER, GA))
