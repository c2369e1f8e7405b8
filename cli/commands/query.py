"""`ipgraph query`: Cypher templates and Cypher of one's own, read-only."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ipgraph.cli.options import (
    FormatOption,
    ParamOption,
    QueriesDirOption,
    RunOption,
    ShowCypherOption,
    StoreOption,
)
from ipgraph.cli.render import Format, print_cypher, render, rows_table
from ipgraph.graphstore.common.errors import UsageError

if TYPE_CHECKING:
    from ipgraph.queries.language.running import Rows

app = typer.Typer(
    no_args_is_help=True, help="Answer questions with Cypher: templates by name, or your own text."
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A template: see ipgraph query list.")]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Print the store's plan instead of the rows.")]


def assignments(params: Sequence[str] | None, run: str = "") -> dict[str, str]:
    """Return `--param` values by name, `--run` as that of `run`.

    Raises UsageError for one that is not NAME=VALUE or comes twice.
    """
    found: dict[str, str] = {"run": run} if run else {}
    for given in params or ():
        name, equals, value = given.partition("=")
        if not (equals and name.isidentifier()):
            raise UsageError(f"--param {given!r} is not of the form NAME=VALUE")
        if name in found:
            raise UsageError(f"{name} is given twice")
        found[name] = value
    return found


@app.command("list")
def list_(queries_dir: QueriesDirOption = None, output: FormatOption = "table") -> None:
    """List the templates with the parameters that they take."""
    from ipgraph.queries.language.registry import templates

    rows = [
        [t.name, t.title, ", ".join(f"{p.name}: {p.type}" for p in t.parameters)]
        for t in templates(queries_dir).values()
    ]
    note = "`ipgraph query show NAME` prints a template, `ipgraph query run NAME` its answer."
    render([rows_table(["name", "question", "parameters"], rows, "Templates", note)], output)


@app.command()
def show(
    name: NameArgument,
    param: ParamOption = None,
    run: RunOption = "",
    store: StoreOption = None,
    queries_dir: QueriesDirOption = None,
) -> None:
    """Print a template with its parameters as `:param` lines, as Neo4j Browser takes it.

    With --store the parameters are looked up there; without, what only a store can say stands in capitals.
    """
    from ipgraph.queries.language.browser import browser_script
    from ipgraph.queries.language.registry import template

    found = template(name, queries_dir)
    comments = [found.title, found.description, ""]
    comments += [f"${p.name} ({p.type}): {p.description}" for p in found.parameters]
    comments += [f"{column.name}: {column.description}" for column in found.columns]
    script = browser_script(found, store, **assignments(param, run))
    typer.echo("".join(f"// {line}".rstrip() + "\n" for line in comments) + script)


@app.command()
def run(
    name: NameArgument,
    param: ParamOption = None,
    run: RunOption = "",
    store: StoreOption = None,
    queries_dir: QueriesDirOption = None,
    show_cypher: ShowCypherOption = False,
    explain: ExplainOption = False,
    output: FormatOption = "table",
) -> None:
    """Run a template and print its rows."""
    from ipgraph.queries.language.binding import bind
    from ipgraph.queries.language.registry import template
    from ipgraph.queries.language.running import run_template

    found, values = template(name, queries_dir), assignments(param, run)
    if explain:
        from ipgraph.graphstore.opening import open_store

        with open_store(store) as opened:
            typer.echo(opened.explain(found.text(opened.dialect), bind(found, values, opened)))
        return
    _answer(run_template(found, store, **values), found.title, show_cypher, output)


@app.command()
def cypher(
    text: Annotated[str, typer.Argument(metavar="CYPHER", help="A read-only query; - reads it from stdin.")],
    param: ParamOption = None,
    run: RunOption = "",
    store: StoreOption = None,
    show_cypher: ShowCypherOption = False,
    explain: ExplainOption = False,
    output: FormatOption = "table",
) -> None:
    """Run Cypher of your own, read-only; $run, $level and $first are bound where the text uses them.

    A parameter's value is JSON where it can be read as such (4, true, \\["a", "b"]), else text.
    """
    from ipgraph.queries.language.binding import bind_text
    from ipgraph.queries.language.running import run_cypher
    from ipgraph.queries.language.values import literal

    if text == "-":
        text = sys.stdin.read()
    values = {name: literal(value) for name, value in assignments(param, run).items()}
    if explain:
        from ipgraph.graphstore.opening import open_store

        with open_store(store) as opened:
            typer.echo(opened.explain(text, bind_text(text, values, opened)))
        return
    _answer(run_cypher(text, store, **values), "", show_cypher, output)


def _answer(rows: "Rows", title: str, show_cypher: bool, output: Format) -> None:
    if show_cypher:
        print_cypher(rows.cypher, rows.parameters)
    render([rows_table(rows.columns, rows.rows, title)], output)
