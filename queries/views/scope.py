"""What a view is restricted to, in words."""

ALL = "all instances"
"""What a view without restriction is of."""


def scope_name(*names: str) -> str:
    """Return the role, subtask and condition that a view is restricted to, leaving out empty ones."""
    return " ".join(filter(None, names))
