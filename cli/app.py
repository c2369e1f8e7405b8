"""The command `ipgraph`: its command groups, global options, and where errors become messages."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ipgraph.cli.commands import (
    cite,
    dataset,
    draw,
    evaluate,
    html,
    ingest,
    plot,
    query,
    report,
    run,
    show,
    store,
)
from ipgraph.graphstore.common.errors import IpgraphError

ORDER = (
    *("ingest", "extract", "evaluate", "report", "query", "show", "draw", "plot"),
    *("run", "cite", "dataset", "store"),
)
"""The commands as `--help` lists them."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


class Guarded(TyperGroup):
    """The top-level group: turns any command's error into one message on stderr and an exit code."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """Return the commands in the order of ORDER."""
        return sorted(self.commands, key=ORDER.index)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command; errors of ours and of the operating system are shown without a traceback."""
        try:
            result = super().invoke(ctx)
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
        return result


def _stop(message: str, code: int) -> typer.Exit:
    from rich.text import Text

    from ipgraph.cli.render import console

    console(stderr=True).print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    return typer.Exit(code)


app = typer.Typer(cls=Guarded, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)
app.add_typer(ingest.app, name="ingest")
app.command()(ingest.extract)
app.command()(evaluate.evaluate)
app.add_typer(query.app, name="query")
app.add_typer(report.app, name="report")
report.app.command()(html.html)
app.command()(show.show)
app.command()(draw.draw)
app.add_typer(plot.app, name="plot")
app.add_typer(run.app, name="run")
app.command()(cite.cite)
app.add_typer(dataset.app, name="dataset")
app.add_typer(store.app, name="store")


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
    if verbose:
        import logging

        logging.basicConfig(
            level=logging.DEBUG if verbose > 1 else logging.WARNING, format="%(name)s: %(message)s"
        )
        logging.getLogger("ipgraph").setLevel(logging.DEBUG)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    app(prog_name="ipgraph")
