"""A classifier's classes by their names, as labels and quantities of interest call them."""

from collections.abc import Sequence
from typing import Any, Literal

from ipgraph.graphstore.common.errors import UsageError, unknown

Outputs = Literal["exclusive", "independent", "numeric"]
"""What outputs are: answers of which one is right, labels that each hold or not, or plain numbers."""


def class_names(config: Any) -> tuple[str, ...]:
    """Return the names of a config's classes by number."""
    return tuple(str(config.id2label.get(n, f"LABEL_{n}")) for n in range(config.num_labels))


def outputs_of(config: Any) -> Outputs:
    """Return what a classifier's outputs are, by its config's `problem_type` and their number."""
    problem = getattr(config, "problem_type", None)
    if problem == "multi_label_classification":
        return "independent"
    return "numeric" if problem == "regression" or config.num_labels == 1 else "exclusive"


def class_number(classes: Sequence[str], name: str, what: str, where: str) -> int:
    """Return the number of the class of a name, exact before whatever the case, or given as a number.

    Raises UsageError, with the nearest names, where there is none, or where several classes share it.
    """
    exact = [n for n, known in enumerate(classes) if known == name]
    loose = [n for n, known in enumerate(classes) if known.casefold() == name.casefold()]
    numbers = exact or loose or [n for n in range(len(classes)) if str(n) == name]
    if not numbers:
        raise unknown(what, name, classes, where)
    if len(numbers) > 1:
        listed = " and ".join(map(str, numbers))
        raise UsageError(f"{what} {name!r} is the name of classes {listed} {where}; give the number")
    return numbers[0]
