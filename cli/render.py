"""How tables are printed: rich or Markdown for people, JSON or CSV with exact values for programs."""

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from io import StringIO
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ipgraph.queries.reports.tables import Table

Format = Literal["table", "json", "csv", "md"]

IDS = ("run", "other", "instance")
"""Columns that are never wrapped, so that they can be copied."""
ANY_WIDTH = 100_000
"""Width outside a terminal, where there is no screen to fit."""


def console(*, stderr: bool = False) -> "Console":
    """Return the console of stdout or stderr; outside a terminal it has no colour and does not cut lines."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else ANY_WIDTH)


def render(tables: Sequence["Table"], output: Format = "table") -> None:
    """Print tables; CSV has no titles and notes.

    JSON is a list of rows for one table, a list of {title, note, rows} for several. CSV separates several
    tables by a blank line.
    """
    if output == "json":
        _print(to_json(tables))
    elif output == "csv":
        _print("\n".join(to_csv(table) for table in tables))
    elif output == "md":
        _print("\n".join(to_markdown(table) for table in tables))
    else:
        for index, table in enumerate(tables):
            print_table(table, gap=index > 0)


def _print(text: str) -> None:
    sys.stdout.write(text)


def to_json(tables: Sequence["Table"]) -> str:
    """Return tables as JSON: floats in Python's shortest exact form, nan and infinities as null."""
    contents = [{"title": t.title, "note": t.note, "rows": _finite(t.records())} for t in tables]
    data = contents[0]["rows"] if len(contents) == 1 else contents
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return _finite(asdict(value))
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def to_csv(table: "Table") -> str:
    """Return a table as CSV with a header: exact floats, an empty cell for None, lists as JSON."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.headers)
    writer.writerows([_csv_cell(value) for value in row] for row in table.rows)
    return text.getvalue()


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    nested = isinstance(value, list | tuple | dict) or is_dataclass(value)
    return json.dumps(_finite(value), ensure_ascii=False) if nested else value


def to_markdown(table: "Table") -> str:
    """Return a table as Markdown with rounded numbers, aligned to the right."""
    rules = ["---:" if column.align == "right" else ":---" for column in table.columns]
    headers, *cells = (
        [cell.replace("|", "\\|").replace("\n", " ") for cell in row]
        for row in (table.headers, *table.cells())
    )
    body = "".join(f"| {' | '.join(line)} |\n" for line in (headers, rules, *cells))
    head = f"**{table.title}**\n\n" if table.title else ""
    return head + body + (f"\n{table.note}\n" if table.note else "")


def rows_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "", note: str = ""
) -> "Table":
    """Return a table of any rows: numbers to the right, the floats of a column with equal digits."""
    from ipgraph.queries.reports.tables import Table, TableColumn

    kept = [list(row) for row in rows]
    described = []
    for index, name in enumerate(columns):
        values = [row[index] for row in kept if row[index] is not None]
        numeric = bool(values) and all(_is_number(value) for value in values)
        floats = [value for value in values if isinstance(value, float)]
        digits = _digits(floats) if numeric and len(floats) == len(values) else ""
        described.append(TableColumn(name, digits, "right" if numeric else "left"))
    return Table(title, tuple(described), kept, note)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _digits(values: Sequence[float]) -> str:
    """Return the format of a column of floats, by the largest of them."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest and not 1e-2 <= largest < 1e9:
        return ".3e"
    return ".3f" if largest < 1000 else ".0f"


def print_table(table: "Table", *, gap: bool = False) -> None:
    """Print a table on stdout; on a terminal, cells wrap to its width."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    rich = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in table.columns:
        is_id = column.name in IDS
        rich.add_column(Text(column.name), justify=column.align, overflow="fold", no_wrap=is_id)
    for row in table.cells():
        rich.add_row(*map(Text, row))
    parts: list[RenderableType] = [Text("")] if gap else []
    parts += [Text(table.title, style="bold")] if table.title else []
    parts += [rich if table.rows else Text("(no rows)", style="dim")]
    parts += [Text(table.note, style="dim")] if table.note else []
    print_parts(parts)


def print_cypher(text: str, parameters: Mapping[str, object] | None = None) -> None:
    """Print a query on stderr, with its parameters in Neo4j Browser's form."""
    lines = [f":param {name} => {json.dumps(value)};" for name, value in (parameters or {}).items()]
    sys.stderr.write("\n".join([*lines, text, ""]))


def print_parts(parts: Iterable["RenderableType"]) -> None:
    """Print on stdout, without blanks at the ends of lines."""
    out = console()
    with out.capture() as captured:
        out.print(*parts, sep="\n", soft_wrap=not out.is_terminal)
    _print("".join(line.rstrip(" ") + "\n" for line in captured.get().splitlines()))
