"""`ipgraph query`: read-only Cypher, from templates or your own."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipgraph.cli.groups import Commands
from ipgraph.cli.options import (
    FormatOption,
    MaxRowsOption,
    ParamOption,
    QueriesDirOption,
    RunOption,
    ShowCypherOption,
    StoreOption,
    TimeoutOption,
)
from ipgraph.cli.render import Format, print_cypher, render, rows_table, say
from ipgraph.graphstore.common.errors import UsageError

if TYPE_CHECKING:
    from ipgraph.queries.language.running import Rows

app = Commands(help="Answer questions with Cypher: run templates, or queries of your own.")

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A template; `ipgraph query list` lists them.")
]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Print the store's plan instead of the rows.")]


def assignments(params: Sequence[str] | None, run: str = "") -> dict[str, Any]:
    """Return the values of `--param` by name, with that of `--run` as `run`.

    Raises UsageError for a parameter that is not NAME=VALUE, is given twice, or has a reserved name.
    """
    from ipgraph.queries.language.parameters import RESERVED

    values: dict[str, Any] = {"run": run} if run else {}
    for given in params or ():
        name, equals, value = given.partition("=")
        if not (equals and name.isidentifier()):
            raise UsageError(f"--param {given!r} is not of the form NAME=VALUE")
        if name in values:
            raise UsageError(f"parameter {name!r} is given twice")
        if name in RESERVED:
            raise UsageError(f"parameter {name!r} cannot be given; the name has another meaning")
        values[name] = value
    return values


@contextmanager
def naming_param() -> Iterator[None]:
    """Add the option's name to the error for a parameter that was not given."""
    from ipgraph.queries.language.binding import MissingValueError

    try:
        yield
    except MissingValueError as error:
        raise UsageError(f"{error}; add --param {error.name}=...") from error


@app.command("list", example="ipgraph query list")
def list_(queries_dir: QueriesDirOption = None, output: FormatOption = "table") -> None:
    """List the templates with their parameters."""
    from ipgraph.queries.language.registry import templates

    rows = [
        [t.name, t.title, ", ".join(f"{p.name}: {p.type}" for p in t.parameters)]
        for t in templates(queries_dir).values()
    ]
    note = "`ipgraph query show NAME` prints a template, `ipgraph query run NAME` runs it."
    render([rows_table(["name", "question", "parameters"], rows, "Templates", note)], output)


@app.command(example="ipgraph query show shared-subpaths --param k=4")
def show(
    name: NameArgument,
    param: ParamOption = None,
    run: RunOption = "",
    store: StoreOption = None,
    queries_dir: QueriesDirOption = None,
) -> None:
    """Print a template in Neo4j Browser's form, with its parameters as `:param` lines.

    With --store, the parameters are looked up in that store. Without it, values that only a store knows are
    placeholders in capitals.
    """
    from ipgraph.queries.language.browser import browser_script
    from ipgraph.queries.language.registry import template

    chosen = template(name, queries_dir)
    comments = [chosen.title, chosen.description, ""]
    comments += [f"${p.name} ({p.type}): {p.description}" for p in chosen.parameters]
    comments += [f"{column.name}: {column.description}" for column in chosen.columns]
    script = browser_script(chosen, store, **assignments(param, run))
    say("".join(f"// {line}".rstrip() + "\n" for line in comments) + script)


@app.command(example="ipgraph query run shared-subpaths --param k=4 --param limit=5 --format csv")
def run(
    name: NameArgument,
    param: ParamOption = None,
    run: RunOption = "",
    store: StoreOption = None,
    queries_dir: QueriesDirOption = None,
    show_cypher: ShowCypherOption = False,
    explain: ExplainOption = False,
    timeout: TimeoutOption = None,
    max_rows: MaxRowsOption = None,
    output: FormatOption = "table",
) -> None:
    """Run a template and print its rows."""
    from ipgraph.queries.language.binding import bind
    from ipgraph.queries.language.registry import template
    from ipgraph.queries.language.running import opened, run_template

    chosen, values = template(name, queries_dir), assignments(param, run)
    with naming_param():
        if explain:
            with opened(store) as graph:
                say(graph.explain(chosen.text(graph.dialect), bind(chosen, values, graph)))
            return
        rows = run_template(chosen, store, timeout_s=timeout, max_rows=max_rows, **values)
    _answer(rows, chosen.title, show_cypher, output)


@app.command(
    example="ipgraph query cypher 'MATCH (p:Pattern {run: $run, level: $level}) RETURN p.role, count(p)'"
)
def cypher(
    text: Annotated[str, typer.Argument(metavar="CYPHER", help="A read-only query; - reads it from stdin.")],
    param: ParamOption = None,
    run: RunOption = "",
    store: StoreOption = None,
    show_cypher: ShowCypherOption = False,
    explain: ExplainOption = False,
    timeout: TimeoutOption = None,
    max_rows: MaxRowsOption = None,
    output: FormatOption = "table",
) -> None:
    """Run your own Cypher, read-only; $run, $level, $first, $stride and $role_stride are bound if used.

    A parameter's value is read as JSON if possible (4, true, \\["a", "b"]), otherwise as text.
    """
    from ipgraph.queries.language.binding import bind_text
    from ipgraph.queries.language.running import opened, run_cypher
    from ipgraph.queries.language.values import literal

    if text == "-":
        text = sys.stdin.read()
    values: dict[str, Any] = {name: literal(value) for name, value in assignments(param, run).items()}
    with naming_param():
        if explain:
            with opened(store) as graph:
                say(graph.explain(text, bind_text(text, values, graph)))
            return
        rows = run_cypher(text, store, timeout_s=timeout, max_rows=max_rows, **values)
    _answer(rows, "", show_cypher, output)


def _answer(rows: "Rows", title: str, show_cypher: bool, output: Format) -> None:
    if show_cypher:
        print_cypher(rows.cypher, rows.parameters)
    note = f"the first {len(rows):,} rows; raise --max-rows for more" if rows.cut else ""
    table = rows_table(rows.columns, rows.rows, title, note)
    if rows.cut and output == "csv":  # which has no notes
        say(note, err=True)
    render([table], output)
