"""`ipgraph run`: the runs on disk and in the store."""

import sys
from typing import Annotated

import typer

from ipgraph.cli.groups import Commands
from ipgraph.cli.known_runs import known_run, known_runs
from ipgraph.cli.options import (
    RUNS_DIR,
    FormatOption,
    RunArgument,
    RunsDirOption,
    StoreOption,
    YesOption,
)
from ipgraph.cli.progress import working_store
from ipgraph.cli.render import render, rows_table, say
from ipgraph.cli.summary import skipped_reasons
from ipgraph.graphstore.common.errors import UsageError

app = Commands(help="Runs: what was extracted, with which settings, and where it is.")

LISTED = {
    "label": 9,
    "state": 2,
    "model_name": 8,
    "dataset": 7,
    "method": 6,
    "level": 3,
    "instances": 5,
    "patterns": 1,
    "accuracy": 4,
    "created": 0,
    "where": 0,
}
"""What is listed of a run, and how important it is where a screen is narrow."""


@app.command("list", example="ipgraph run list")
def list_(
    store: StoreOption = None, runs_dir: RunsDirOption = RUNS_DIR, output: FormatOption = "table"
) -> None:
    """List the runs on disk and in the store, newest first."""
    runs = known_runs(store, runs_dir).values()
    rows = [[run.id, *((run.fields | {"where": run.where}).get(name) for name in LISTED)] for run in runs]
    importance = {"run": 10, **LISTED}
    render([rows_table(list(importance), rows, "Runs", importance=importance)], output)


@app.command(example="ipgraph run show r2a88")
def show(
    run: RunArgument,
    store: StoreOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    output: FormatOption = "table",
) -> None:
    """Show everything recorded about a run, including the rows that were skipped."""
    chosen = known_run(run, store, runs_dir)
    facts = chosen.facts | {"where": chosen.where}
    tables = [rows_table(["what", "value"], facts.items(), f"Run {chosen.name}")]
    skipped = chosen.directory.manifest["skipped"] if chosen.directory else []
    if skipped or output == "json":  # JSON always has both tables
        note = "" if chosen.directory else "the run directory, which holds the reasons, is missing"
        rows = [[reason.count, reason.kind, reason.example] for reason in skipped_reasons(skipped)]
        tables.append(rows_table(["rows", "reason", "example"], rows, "Rows skipped", note))
    render(tables, output)


@app.command(example="ipgraph run label r2a88 'agreement, 100 sentences'")
def label(
    run: RunArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The label; '' removes it.")],
    store: StoreOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Give a run another label, in its run directory and in the store."""
    from ipgraph.graphstore.opening import open_store
    from ipgraph.graphstore.runs.finding import require_free_label

    chosen = known_run(run, store, runs_dir)
    require_free_label(runs_dir, text, chosen.id)
    if chosen.directory is not None:
        chosen.directory.set_label(text)
    if chosen.stored is not None:
        with open_store(store) as opened:
            opened.set_label(chosen.id, text)
    say(f"run {chosen.id} has the label {text!r}" if text else f"run {chosen.id} has no label")


@app.command(example="ipgraph run diff r2a88 r4d5e")
def diff(
    first: RunArgument,
    second: RunArgument,
    store: StoreOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    output: FormatOption = "table",
) -> None:
    """Show how two runs differ: in settings (which determine a run's id), results and environment."""
    runs = [known_run(name, store, runs_dir) for name in (first, second)]
    left, right = (run.facts for run in runs)
    names = [name for name in {**left, **right} if left.get(name) != right.get(name) and name != "id"]
    rows = [[name, left.get(name), right.get(name)] for name in names]
    render([rows_table(["what", *(run.id for run in runs)], rows, "Differences")], output)


@app.command(example="ipgraph run delete r2a88 --files")
def delete(
    run: RunArgument,
    files: Annotated[bool, typer.Option("--files", help="Also delete the run directory.")] = False,
    yes: YesOption = False,
    store: StoreOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Delete a run from the store, and with --files from disk."""
    chosen = known_run(run, store, runs_dir)
    if chosen.stored is None and not files:
        raise UsageError(f"run {chosen.id} is not in the store; pass --files to delete its directory")
    directory = chosen.directory if files else None
    places = (["the store"] if chosen.stored else []) + ([str(directory.path)] if directory else [])
    target = f"run {chosen.id} from {' and '.join(places)}"
    if not yes:
        confirm(f"delete {target}")
    if chosen.stored is not None:
        with working_store(store, "deleting") as (opened, bar):
            opened.remove(chosen.id, bar)
    if directory is not None:
        directory.delete()
    say(f"deleted {target}")


def confirm(action: str) -> None:
    """Ask on a terminal, and stop unless the answer is yes; raise UsageError if stdin is not a terminal."""
    if not sys.stdin.isatty():
        raise UsageError(f"this would {action}; pass --yes to confirm")
    typer.confirm(f"{action}?", abort=True)
