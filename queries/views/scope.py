"""What a view is of, in words: a subtask, a condition, a model."""

from collections.abc import Sequence

from ipgraph.graphstore.schema.records import Run

ALL = "all instances"
"""What a view without restriction is of."""


def scope_name(*names: str) -> str:
    """Return the role, subtask and condition that a view is restricted to, leaving out empty ones."""
    return " ".join(filter(None, names))


def model_title(run: Run) -> str:
    """Return a model's name without the folder or owner that it lies in."""
    return run.model_name.rstrip("/").rpartition("/")[2]


def telling_names(runs: Sequence[Run]) -> list[str]:
    """Return names that tell runs apart: their labels, methods, models or ids."""
    names = (
        [run.label for run in runs],
        [run.method for run in runs],
        [*map(model_title, runs)],
        [run.id for run in runs],
    )
    return next(name for name in names if all(name) and len(set(name)) == len(runs))
