"""Quantities of interest by name, and which of a classifier's classes each is of."""

from collections.abc import Sequence

CORRECT_WRONG, POSITIVE_NEGATIVE = "correct-wrong", "positive-negative"
PROBABILITY = "probability"
ONE_LOGIT = "logit:"
"""How the QoI of one class begins; the class follows, by name or number."""
_POSITIVE, _NEGATIVE = {"positive", "pos", "label_1"}, {"negative", "neg", "label_0"}


def poles(classes: Sequence[str]) -> tuple[int, int] | None:
    """Return the positive and the negative class: by their names, else of two classes 1 and 0.

    None where neither says which they are.
    """
    by_name = [[n for n, c in enumerate(classes) if c.casefold() in pole] for pole in (_POSITIVE, _NEGATIVE)]
    if all(len(numbers) == 1 for numbers in by_name):
        return by_name[0][0], by_name[1][0]
    return (1, 0) if len(classes) == 2 else None


def with_classes(qoi: str, classes: Sequence[str]) -> str:
    """Return a QoI's name, with the two classes where it does not name them itself."""
    pair = poles(classes) if qoi == POSITIVE_NEGATIVE else None
    return qoi if pair is None else f"{qoi} ({classes[pair[0]]} minus {classes[pair[1]]})"
