"""What every layout gives: rows as a stream of values by column, and why a row cannot be used."""

from collections.abc import Iterator
from dataclasses import dataclass

Fields = dict[str, object]

SNIFFED = 20
"""How many first rows decide the layout and kind of a file, so that one bad row does not."""
LONGEST_LINE = 2**20
"""Bytes that a line of text (or an element of a JSON array) may have; a longer one is a bad row."""
_SHOWN = 60
"""Characters of a value that a message shows."""


class BadRow(ValueError):  # noqa: N818 (a row's fault, not the program's)
    """A row cannot be used; the message is the reason.

    Given values fill the `{}` of the template; `kind` is the reason without them, the same for all rows of
    one fault.
    """

    def __init__(self, template: str, *values: object) -> None:
        super().__init__(template.format(*values) if values else template)
        self.kind = template.format(*["…"] * len(values)) if values else template


@dataclass(frozen=True, slots=True)
class Row:
    """The number of a row (line, or row of a table, from 1), its values by column, or its problem."""

    number: int
    fields: Fields
    problem: BadRow | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a source, and the columns that its header names; () where every row names its own."""

    columns: tuple[str, ...]
    rows: Iterator[Row]


def shown(value: object) -> str:
    """Return a value as a message shows it: quoted as in Python, and not too long."""
    text = repr(value[: _SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def listed(names: tuple[str, ...], limit: int = 20) -> str:
    """Return names as a message lists them: quoted, and no more than `limit`."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(map(shown, names[:limit])) or "none") + more
