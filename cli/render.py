"""How tables are printed: fitted to a terminal for people, in other formats for programs and papers."""

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, Literal

from ipgraph.cli.fitting import GAP, fit
from ipgraph.cli.formats import to_csv, to_json, to_latex, to_markdown
from ipgraph.graphstore.common.text import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ipgraph.queries.reports.tables import Table

Format = Literal["table", "json", "csv", "md", "latex"]

ANY_WIDTH = 100_000
"""Width outside a terminal, where there is no screen to fit."""


def console(*, stderr: bool = False) -> "Console":
    """Return the console of stdout or stderr; outside a terminal it has no colour and does not cut lines."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class PrintableConsole(Console):
        """A console on which text moves no cursor, whoever wrote it: styles are rich's own."""

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterator[Segment]:
            """Yield what is printed, control characters of texts escaped."""
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(printable(segment.text), segment.style)

    stream = sys.stderr if stderr else sys.stdout
    return PrintableConsole(stderr=stderr, highlight=False, width=None if stream.isatty() else ANY_WIDTH)


def render(tables: Sequence["Table"], output: Format = "table") -> None:
    """Print tables; what is meant for programs and papers is UTF-8, whatever the locale.

    CSV has no titles and notes. CSV, Markdown and LaTeX separate several tables by a blank line.
    """
    if output == "table":
        for index, table in enumerate(tables):
            print_table(table, gap=index > 0)
        return
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    one = {"csv": to_csv, "md": to_markdown, "latex": to_latex}
    text = to_json(tables) if output == "json" else "\n".join(map(one[output], tables))
    _print(printable(text) if sys.stdout.isatty() else text)


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a sentence, or some, in which nothing that others wrote moves the cursor."""
    import typer

    typer.echo(printable(text), err=err, nl=nl)


def _print(text: str) -> None:
    sys.stdout.write(text)


def rows_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    title: str = "",
    note: str = "",
    importance: Mapping[str, int] | None = None,
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
        rank = (importance or {}).get(name, 0)
        described.append(TableColumn(name, digits, "right" if numeric else "left", importance=rank))
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
    """Print a table on stdout; on a terminal, columns that do not fit are named below it instead."""
    from rich.text import Text

    shown, widths = fit(table, console().width)
    print_parts(([Text("")] if gap else []) + ([Text(table.title, style="bold")] if table.title else []))
    if table.rows:
        print_parts([_grid(table, shown, widths)], sum(widths) + GAP * len(widths))
    else:
        print_parts([Text("(no rows)", style="dim")])
    hidden = ", ".join(h for index, h in enumerate(table.headers) if table.rows and index not in shown)
    left_out = f"not shown: {hidden}; widen the terminal or use --format csv" if hidden else ""
    print_parts([Text(note, style="dim") for note in (table.note, left_out) if note])


def _grid(table: "Table", shown: Sequence[int], widths: Sequence[int]) -> "RenderableType":
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, width in zip(shown, widths, strict=True):
        header = Text(table.headers[index])
        grid.add_column(header, justify=table.columns[index].align, overflow="fold", width=width)
    for row in table.cells():
        grid.add_row(*(Text(row[index]) for index in shown))
    return grid


def print_cypher(text: str, parameters: Mapping[str, object] | None = None) -> None:
    """Print a query on stderr, with its parameters in Neo4j Browser's form."""
    lines = [f":param {name} => {json.dumps(value)};" for name, value in (parameters or {}).items()]
    say("\n".join([*lines, text]), err=True)


def print_parts(parts: Iterable["RenderableType"], width: int = 0) -> None:
    """Print on stdout, without blanks at the ends of lines; up to `width` columns are not wrapped here."""
    out = console()
    out.width = max(width, out.width)
    with out.capture() as captured:
        for part in parts:
            out.print(part, soft_wrap=not out.is_terminal)
    _print("".join(line.rstrip(" ") + "\n" for line in captured.get().splitlines()))
