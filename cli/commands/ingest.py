"""`ipgraph ingest` and `ipgraph extract`: from a dataset to a run directory, and into a store."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ipgraph.cli.option_groups import Extraction, Selection, takes
from ipgraph.cli.options import AllowUnkOption, DatasetArgument, StoreOption
from ipgraph.cli.progress import progress
from ipgraph.graphstore.common.errors import UsageError, nearest_first

if TYPE_CHECKING:
    from ipgraph.extractor.datasets import Dataset
    from ipgraph.extractor.models.loading import LoadedModel
    from ipgraph.graphstore.runs.directory import RunDirectory
    from ipgraph.graphstore.store.protocol import Store


class _Kinds(TyperGroup):
    """The group of `ipgraph ingest`, which explains how to name a dataset."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return a command; raises UsageError for an unknown name."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            commands = ", ".join(nearest_first(args[0], self.list_commands(ctx)))
            raise UsageError(
                f"unknown command `ipgraph ingest {args[0]}`; valid, nearest first: {commands}; "
                "use `ipgraph ingest dataset NAME|FILE` for a dataset"
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Kinds, no_args_is_help=True, help="Extract influence patterns and put them into the graph store."
)


@app.command("dataset")
@takes("selection", Selection)
@takes("extraction", Extraction)
def ingest_dataset(
    dataset: DatasetArgument, selection: Selection, extraction: Extraction, store: StoreOption = None
) -> None:
    """Extract the influence patterns of a dataset and put them into the graph store."""
    _ingest(dataset, extraction, selection, store, "ipgraph report overview --run {run}")


@app.command("text")
@takes("extraction", Extraction)
def ingest_text(
    text: Annotated[str, typer.Argument(help="A sentence; for a masked language model, with one \\[MASK].")],
    extraction: Extraction,
    correct: Annotated[str, typer.Option("--correct", metavar="WORD", help="Right word for \\[MASK].")] = "",
    wrong: Annotated[str, typer.Option("--wrong", metavar="WORD", help="Wrong word for \\[MASK].")] = "",
    label: Annotated[
        int | None,
        typer.Option("--label", help="Class of the sentence, for a classifier.", show_default="predicted"),
    ] = None,
    allow_unk: AllowUnkOption = False,
    store: StoreOption = None,
) -> None:
    """Extract the influence patterns of one sentence and put them into the graph store."""
    from ipgraph.extractor.datasets import read_sentence

    dataset = read_sentence(text, correct=correct, wrong=wrong, label=label)
    selection = Selection(strict=True, allow_unk=allow_unk)
    _ingest(dataset, extraction, selection, store, f"ipgraph show {dataset.examples[0].instance.id}")


@app.command("run")
def ingest_run(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Run directories made elsewhere.")
    ],
    store: StoreOption = None,
) -> None:
    """Load finished run directories into the graph store. A run that is stored gets new measures only."""
    from ipgraph.cli.summary import print_loaded
    from ipgraph.graphstore.runs.directory import RunDirectory

    runs = [RunDirectory.open(directory) for directory in directories]
    print_loaded(runs, *add_runs(runs, store))


@takes("selection", Selection)
@takes("extraction", Extraction)
def extract(dataset: DatasetArgument, selection: Selection, extraction: Extraction) -> None:
    """Extract the influence patterns of a dataset into a run directory, without a graph store."""
    from ipgraph.cli.summary import print_summary

    run, time_taken = extract_run(dataset, extraction, selection)
    print_summary(run, time_taken, "", f"ipgraph ingest run {run.path}")


def _ingest(
    dataset: "str | Dataset", extraction: Extraction, selection: Selection, store: str | None, then: str
) -> None:
    from ipgraph.cli.summary import print_summary

    with usable_store(store) as opened:
        run, extracting = extract_run(dataset, extraction, selection)
        location, _, loading = add_to([run], opened)
    option = f" --store {store}" if store not in (None, os.environ.get("IPGRAPH_STORE")) else ""
    print_summary(run, f"{extracting}, loading {loading:.1f} s", location, then.format(run=run.id) + option)


@contextmanager
def usable_store(store: str | None) -> "Iterator[Store]":
    """Open and read a store before a long computation, so that an unusable one is refused at once."""
    from ipgraph.graphstore.opening import open_store

    with open_store(store) as opened:
        opened.runs()
        yield opened


def extract_run(
    dataset: "str | Dataset",
    extraction: Extraction,
    selection: Selection,
    model: "LoadedModel | None" = None,
) -> "tuple[RunDirectory, str]":
    """Return the finished run and how long it took; `model` is the requested one, if already loaded."""
    started = time.perf_counter()
    computed = False
    with _resumable(), progress("extracting", "sentences") as bar:
        from ipgraph.extractor.extraction.extract import extract

        def report(done: int, total: int) -> None:
            nonlocal computed
            computed = True
            bar(done, total)

        arguments = asdict(extraction) | asdict(selection) | ({"model": model} if model else {})
        run = extract(dataset=dataset, **arguments, on_progress=report)
    seconds = time.perf_counter() - started
    return run, f"extracting {seconds:.1f} s" + ("" if computed else " (the run already existed)")


def add_runs(runs: "Sequence[RunDirectory]", store: str | None) -> tuple[str, int, float]:
    """Add run directories to a store; return its location, the number of new runs, and seconds."""
    from ipgraph.graphstore.opening import open_store

    with open_store(store) as opened:
        return add_to(runs, opened)


def add_to(runs: "Sequence[RunDirectory]", store: "Store") -> tuple[str, int, float]:
    """Add run directories to an open store; returns what `add_runs` does."""
    started = time.perf_counter()
    with _resumable(), progress("loading", "patterns") as bar:
        new = store.add(runs, bar)
        return store.location, new, time.perf_counter() - started


@contextmanager
def _resumable() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(
            "interrupted; finished work is kept, run the same command again to continue"
        ) from error
