"""`ipgraph run`: the runs on disk and in the store."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipgraph.cli.options import RUNS_DIR, FormatOption, RunsDirOption, StoreOption, YesOption
from ipgraph.cli.progress import progress
from ipgraph.cli.render import render, rows_table
from ipgraph.graphstore.common.errors import UsageError

if TYPE_CHECKING:
    from ipgraph.graphstore.runs.directory import RunDirectory
    from ipgraph.graphstore.schema.records import Run

app = typer.Typer(
    no_args_is_help=True, help="Runs: what was extracted, with which settings, and where it is."
)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run id or its beginning.")]
LISTED = ("state", "model_name", "dataset", "method", "level", "instances", "patterns", "accuracy", "created")


JSON_FIELDS = ("settings", "environment")


@dataclass(frozen=True, slots=True)
class Found:
    """A run, in the store or in its directory or both."""

    id: str
    stored: "Run | None"
    directory: "RunDirectory | None"

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of Run that are known: all, except of a run that is still to be finished."""
        if self.directory is not None and not self.directory.is_complete:
            manifest = self.directory.manifest
            return {**manifest["run"], "state": self._unfinished(), "created": manifest["created"]}
        if self.directory is not None:
            return asdict(self.directory.run)
        return asdict(self.stored) if self.stored else {}

    def _unfinished(self) -> str:
        assert self.directory is not None  # noqa: S101
        total = self.directory.manifest["shards"]
        return f"{total - len(self.directory.faults())} of {total} shards"

    @property
    def where(self) -> str:
        """Where the run is, and how much of it if not all."""
        places = [str(self.directory.path)] if self.directory else []
        if self.stored is not None:
            states = {
                "complete": "store",
                "removing": "store (removing)",
                "loading": f"store (loading, {self.stored.loaded} of {self.stored.patterns} patterns)",
            }
            places.append(states[self.stored.state])
        return ", ".join(places)


def all_runs(store: str | None, runs_dir: Path) -> dict[str, Found]:
    """Return every run in the store and under `runs_dir` by id, newest first."""
    from ipgraph.graphstore.opening import open_store
    from ipgraph.graphstore.runs.finding import list_runs

    with open_store(store) as opened:
        stored = {run.id: run for run in opened.runs()}
    on_disk = {run.id: run for run in list_runs(runs_dir)}
    found = [Found(key, stored.get(key), on_disk.get(key)) for key in {**on_disk, **stored}]
    return {run.id: run for run in sorted(found, key=lambda r: (r.fields["created"], r.id), reverse=True)}


def find(name: str, store: str | None, runs_dir: Path) -> Found:
    """Return the run that `name` is the id, or the beginning of the id, of."""
    from ipgraph.graphstore.runs.finding import match_id

    runs = all_runs(store, runs_dir)
    return runs[match_id(name, list(runs), f"the store or {runs_dir}")]


@app.command("list")
def list_(
    store: StoreOption = None, runs_dir: RunsDirOption = RUNS_DIR, output: FormatOption = "table"
) -> None:
    """List the runs on disk and in the store, newest first."""

    runs = all_runs(store, runs_dir).values()
    rows = [[run.id, *(run.fields.get(name) for name in LISTED), run.where] for run in runs]
    render([rows_table(["run", *LISTED, "where"], rows, "Runs")], output)


@app.command()
def show(
    run: RunArgument,
    store: StoreOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    output: FormatOption = "table",
) -> None:
    """Show all that is recorded of a run, the rows that it skipped included."""

    found = find(run, store, runs_dir)
    facts = _facts(found) | {"where": found.where}
    tables = [rows_table(["what", "value"], facts.items(), f"Run {found.id}")]
    skipped = found.directory.manifest["skipped"] if found.directory else []
    if skipped or output == "json":  # which has one form, whatever was skipped
        note = "" if found.directory else "the reasons are in the run directory, which is not here"
        rows = ([s["where"], s["reason"]] for s in skipped)
        tables.append(rows_table(["where", "reason"], rows, "Rows skipped", note))
    render(tables, output)


@app.command()
def diff(
    first: RunArgument,
    second: RunArgument,
    store: StoreOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    output: FormatOption = "table",
) -> None:
    """Show in what two runs differ: settings (which give a run its id), results and environment."""

    one, other = find(first, store, runs_dir), find(second, store, runs_dir)
    left, right = _facts(one), _facts(other)
    names = [name for name in {**left, **right} if left.get(name) != right.get(name) and name != "id"]
    rows = [[name, left.get(name), right.get(name)] for name in names]
    render([rows_table(["what", one.id, other.id], rows, "Differences")], output)


@app.command()
def delete(
    run: RunArgument,
    files: Annotated[bool, typer.Option("--files", help="Remove its run directory too.")] = False,
    yes: YesOption = False,
    store: StoreOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Delete a run from the store, with --files from disk too."""
    from ipgraph.graphstore.opening import open_store

    found = find(run, store, runs_dir)
    if found.stored is None and not files:
        raise UsageError(f"run {found.id} is not in the store; --files removes its directory")
    directory = found.directory if files else None
    places = (["the store"] if found.stored else []) + ([str(directory.path)] if directory else [])
    if not yes:
        confirm(f"delete run {found.id} from {' and '.join(places)}?")
    if found.stored is not None:
        with open_store(store) as opened, progress("deleting", "patterns") as bar:
            opened.remove(found.id, bar)
    if directory is not None:
        directory.delete()
    typer.echo(f"deleted run {found.id} from {' and '.join(places)}")


def confirm(question: str) -> None:
    """Ask on a terminal, and stop unless the answer is yes; elsewhere raise UsageError that names --yes."""
    import sys

    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is nobody to ask: say so with --yes")
    typer.confirm(question, abort=True)


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield a mapping's values by name, those of a mapping inside as `outer.inner`."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _facts(found: Found) -> dict[str, object]:
    """Return a run's fields, `settings` and `environment` (JSON) opened into one entry each."""
    opened = {name: json.loads(value) for name, value in found.fields.items() if name in JSON_FIELDS}
    return dict(flat(found.fields | opened))
