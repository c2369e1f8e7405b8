"""The command `ipgraph`: its command groups, global options, and where errors become messages."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from ipgraph.cli.commands import (
    cite,
    dataset,
    draw,
    evaluate,
    html,
    ingest,
    model,
    plot,
    query,
    report,
    run,
    show,
    store,
)
from ipgraph.cli.groups import Commands, Group, show_error, stop
from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.common.text import printable

ORDER = (
    *("ingest", "extract", "evaluate", "report", "query", "show", "draw", "plot"),
    *("run", "cite", "model", "dataset", "store"),
)
"""The commands as `--help` lists them."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


class Guarded(Group):
    """The top-level group: turns any command's error into one message on stderr and an exit code."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """Return the commands in the order of ORDER."""
        return sorted(self.commands, key=ORDER.index)

    def main(self, *arguments: Any, **more: Any) -> Any:
        """Run the program; what typer refuses is said as our own errors are."""
        try:
            sys.exit(super().main(*arguments, **more | {"standalone_mode": False}))
        except TyperException as error:
            stop(error)
        except typer.Abort:
            show_error("cancelled")
            sys.exit(1)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command; errors of ours and of the operating system are shown without a traceback."""
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except IpgraphError as error:
            raise _stop(str(error), error.exit_code) from error
        except OSError as error:
            raise _stop(str(error), 1) from error
        except KeyboardInterrupt as error:
            raise _stop(str(error) or "interrupted", INTERRUPTED) from error


def _stop(message: str, code: int) -> typer.Exit:
    show_error(message)
    return typer.Exit(code)


EXTRACT, ASK, DRAW, KEEP = "Extract and evaluate", "Ask", "Draw", "Keep and cite"
FORMATS = (
    "With --format json, every command prints one object, whose `tables` is a list of objects with `title`, "
    "`columns` (names in snake_case), `rows` (objects by these names) and `notes`. JSON and CSV have exact "
    "values, in UTF-8. LaTeX needs the package booktabs."
)
app = Commands(cls=Guarded, add_completion=True, pretty_exceptions_enable=False, epilog=FORMATS)
app.add_typer(ingest.app, name="ingest", rich_help_panel=EXTRACT)
app.command(
    example=("ipgraph extract sva-obj --limit 100", "ipgraph extract mine.jsonl --model bert-base-uncased"),
    rich_help_panel=EXTRACT,
)(ingest.extract)
app.command(
    example=("ipgraph evaluate sva-obj --limit 100", "ipgraph evaluate r2a88 --methods all --format json"),
    rich_help_panel=EXTRACT,
)(evaluate.evaluate)
app.add_typer(report.app, name="report", rich_help_panel=ASK)
report.app.command(example="ipgraph report html --output report.html")(html.html)
app.add_typer(query.app, name="query", rich_help_panel=ASK)
app.command(
    example=("ipgraph show sva-obj:0497", "ipgraph show sva-obj:0497 --level embedding --format csv"),
    rich_help_panel=ASK,
)(show.show)
app.command(
    example=(
        "ipgraph draw sva-obj:0497 --output flow.pdf",
        "ipgraph draw --condition singular_plural --condition plural_plural -o flow.svg",
    ),
    rich_help_panel=DRAW,
)(draw.draw)
app.add_typer(plot.app, name="plot", rich_help_panel=DRAW)
app.add_typer(run.app, name="run", rich_help_panel=KEEP)
app.command(example="ipgraph cite r2a88", rich_help_panel=KEEP)(cite.cite)
app.add_typer(model.app, name="model", rich_help_panel=KEEP)
app.add_typer(dataset.app, name="dataset", rich_help_panel=KEEP)
app.add_typer(store.app, name="store", rich_help_panel=KEEP)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ipgraph {version('ipgraph')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Log to stderr; repeat for more detail.")
    ] = 0,
) -> None:
    """Show how information flows through a transformer: influence patterns in a graph database."""
    import logging

    class PrintableRecord(logging.LogRecord):
        def getMessage(self) -> str:  # noqa: N802 - logging's name
            return printable(super().getMessage())

    logging.setLogRecordFactory(PrintableRecord)
    if verbose:
        logging.basicConfig(
            level=logging.DEBUG if verbose > 1 else logging.WARNING, format="%(name)s: %(message)s"
        )
        logging.getLogger("ipgraph").setLevel(logging.DEBUG)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    app(prog_name="ipgraph")
