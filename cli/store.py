"""`ipgraph store`: the graph store itself."""

from typing import Annotated

import typer

from ipgraph.cli.ingest import add_runs
from ipgraph.cli.options import RUNS_DIR, FormatOption, RunsDirOption, StoreOption
from ipgraph.cli.progress import progress
from ipgraph.cli.render import render, rows_table
from ipgraph.graphstore.errors import IpgraphError

app = typer.Typer(no_args_is_help=True, help="The graph store: contents, checks, rebuilding, export.")


@app.command()
def info(store: StoreOption = None, output: FormatOption = "table") -> None:
    """Show what the store holds: counts of each label and relationship, version, notes."""
    from ipgraph.graphstore.store import open_store

    with open_store(store) as opened:
        rows: list[list[object]] = [[key, value] for key, value in opened.info().items()]
        render([rows_table(["what", "value"], rows, f"Store {opened.location}")], output)


@app.command()
def check(
    store: StoreOption = None, runs_dir: RunsDirOption = RUNS_DIR, output: FormatOption = "table"
) -> None:
    """Check the store, and compare its runs with their run directories; exit 1 where something is wrong."""
    from ipgraph.graphstore.runs import list_runs
    from ipgraph.graphstore.store import open_store

    with open_store(store) as opened, progress("checking", "patterns") as bar:
        stored = {run.id for run in opened.runs()}
        directories = [run for run in list_runs(runs_dir) if run.id in stored]
        problems = opened.check(directories, bar)
        location = opened.location
    if problems:
        rows: list[list[object]] = [[problem.where, problem.what] for problem in problems]
        render([rows_table(["where", "what"], rows, "Problems")], output)
        raise IpgraphError(f"{len(problems)} problems in {location}")
    typer.echo(
        f"{location} is sound: {len(stored)} runs, {len(directories)} of them compared with {runs_dir}"
    )


@app.command()
def push(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Run ids, their beginnings, or directories.")
    ],
    store: StoreOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Load existing run directories into the store; what is there already is left as it is."""
    from ipgraph.cli.summary import print_loaded
    from ipgraph.graphstore.runs import find_run

    directories = [find_run(runs_dir, name) for name in runs]
    print_loaded(directories, *add_runs(directories, store))
