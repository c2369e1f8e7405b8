"""`ipgraph store`: the graph store itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from ipgraph.cli.groups import Commands
from ipgraph.cli.options import RUNS_DIR, FormatOption, RunsDirOption, StoreOption
from ipgraph.cli.progress import working_store
from ipgraph.cli.render import render, rows_table, say
from ipgraph.graphstore.common.errors import IpgraphError

app = Commands(help="The graph store: contents, checks, rebuilding, export.")


@app.command(example="ipgraph store info")
def info(store: StoreOption = None, output: FormatOption = "table") -> None:
    """Show what the store holds: counts of each label and relationship, version, notes."""
    from ipgraph.graphstore.opening import open_store

    with open_store(store) as opened:
        rows: list[list[object]] = [[key, value] for key, value in opened.info().items()]
        render([rows_table(["what", "value"], rows, f"Store {opened.location}")], output)


@app.command(example="ipgraph store check")
def check(
    store: StoreOption = None, runs_dir: RunsDirOption = RUNS_DIR, output: FormatOption = "table"
) -> None:
    """Check the store, and compare its runs with their run directories. Exit code 1 means problems."""
    from ipgraph.graphstore.runs.finding import list_runs

    damaged: list[Sequence[object]] = []

    with working_store(store, "checking") as (opened, bar):
        stored = {run.id: run for run in opened.runs()}
        found = list_runs(runs_dir, lambda path, error: damaged.append((str(path), str(error))))
        directories = [run for run in found if run.id in stored]
        problems = opened.check(directories, bar)
        location = opened.location
    rows: list[Sequence[object]] = [(problem.where, problem.what) for problem in problems] + damaged
    if rows or output != "table":
        render([rows_table(["where", "what"], rows, "Problems")], output)
    if rows:
        where = location if not damaged else f"{location} and {runs_dir}" if problems else str(runs_dir)
        raise IpgraphError(f"{_counted(len(rows), 'problem')} in {where}")
    runs = f"{_counted(len(stored), 'run')}, {len(directories)} of them compared with {runs_dir}"
    say(f"no problems in {location}: {runs}", err=output != "table")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@app.command(example="ipgraph store rebuild --store new.db")
def rebuild(
    full_graph: Annotated[
        bool, typer.Option("--full-graph", help="Write every edge, however long the sentences are.")
    ] = False,
    store: StoreOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Rebuild the store from the run directories. Runs without a directory are kept from the old store."""
    from ipgraph.graphstore.runs.finding import list_runs

    directories = [run for run in list_runs(runs_dir) if run.is_complete]
    with working_store(store, "loading") as (opened, bar):
        kept = opened.rebuild(directories, bar, full_graph=full_graph)
        location = opened.location
    runs = _counted(len(directories), "run")
    say(f"{location}: {runs} from {runs_dir}, {len(kept)} kept from the old store")


@app.command(
    example=(
        "ipgraph store export graph.graphml",
        "ipgraph store export import --format neo4j-admin",
    )
)
def export(
    path: Annotated[Path, typer.Argument(help="File (graphml, json) or folder (neo4j-admin) to write.")],
    form: Annotated[
        Literal["graphml", "json", "neo4j-admin"],
        typer.Option("--format", help="GraphML or JSON for networkx, or CSV for Neo4j's offline import."),
    ] = "graphml",
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run", metavar="RUN", help="Only this run; repeat the option for more.", show_default="all"
        ),
    ] = None,
    instance: Annotated[
        list[str] | None,
        typer.Option(
            "--instance",
            metavar="INSTANCE",
            help="Only this instance (id, its beginning, or name); repeat the option for more.",
            show_default="all",
        ),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write the graph, or part of it, for other programs."""
    from ipgraph.graphstore.export.export import export as write
    from ipgraph.graphstore.runs.finding import match_run
    from ipgraph.queries.language.binding import resolve_instance

    with working_store(store, "exporting") as (opened, bar):
        labels = {record.id: record.label for record in opened.runs()} if run or instance else {}
        runs = [match_run(name, labels, opened.location) for name in run] if run else None
        instances = [resolve_instance(opened, runs or list(labels), name) for name in instance or ()] or None
        advice = write(opened, path, form, runs=runs, instances=instances, progress=bar)
    say(f"{path} written; {advice}")
