"""`ipgraph ingest` and `ipgraph extract`: from a dataset to a run directory, and into a store."""

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated

import typer

from ipgraph.cli.groups import Commands, Group
from ipgraph.cli.option_groups import Extraction, Selection, by_method, takes
from ipgraph.cli.options import RUNS_DIR, AllowUnkOption, DatasetArgument, RunsDirOption, StoreOption
from ipgraph.cli.progress import progress
from ipgraph.graphstore.common.errors import SkippedRows, UsageError
from ipgraph.graphstore.common.suggested import suggested

if TYPE_CHECKING:
    from ipgraph.extractor.datasets import Dataset
    from ipgraph.extractor.models.loading import Model
    from ipgraph.graphstore.runs.directory import RunDirectory
    from ipgraph.graphstore.store.protocol import Store


LOADING = "loading the model"


class _Kinds(Group):
    """The group of `ipgraph ingest`, which explains how to name a dataset."""

    advice = "use `ipgraph ingest dataset NAME|FILE` for a dataset"


app = Commands(cls=_Kinds, help="Extract influence patterns and put them into the graph store.")


@app.command(
    "dataset",
    example=(
        "ipgraph ingest dataset sva-obj --limit 100",
        "ipgraph ingest dataset mine.jsonl --model bert-base-uncased --label mine",
        "ipgraph ingest dataset sva-obj --method gpr,alti,flow",
    ),
)
@takes("selection", Selection)
@takes("extraction", Extraction)
def ingest_dataset(
    dataset: DatasetArgument, selection: Selection, extraction: Extraction, store: StoreOption = None
) -> None:
    """Extract a dataset's influence patterns, or what other methods give, and put them into the store."""
    _ingest(dataset, extraction, selection, store)


@app.command(
    "text",
    example=(
        "ipgraph ingest text 'the author that the guards like [MASK] happy .' --correct is --wrong are",
        "ipgraph ingest text 'a fine film .' --model demo-sentiment",
    ),
)
@takes("extraction", Extraction)
def ingest_text(
    text: Annotated[str, typer.Argument(help="A sentence; for a language model, with one \\[MASK].")],
    extraction: Extraction,
    continuation: Annotated[
        str,
        typer.Option(
            "--continuation",
            metavar="TEXT",
            help="Of an encoder-decoder: the decoder's text, with the \\[MASK].",
        ),
    ] = "",
    correct: Annotated[str, typer.Option("--correct", metavar="WORD", help="Right word for \\[MASK].")] = "",
    wrong: Annotated[str, typer.Option("--wrong", metavar="WORD", help="Wrong word for \\[MASK].")] = "",
    class_: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="CLASS",
            help="Class of the sentence, by name or number, for a classifier.",
            show_default="predicted",
        ),
    ] = None,
    allow_unk: AllowUnkOption = False,
    store: StoreOption = None,
) -> None:
    """Extract a sentence's influence patterns, or what other methods give, and put them into the store."""
    from ipgraph.extractor.datasets import MASK, read_sentence

    if class_ is not None and (correct or wrong):
        raise UsageError(
            "--class is for a classifier, --correct and --wrong are for a [MASK]; pass one or the other"
        )
    if MASK in text + continuation and class_ is None:
        _require_answers(correct, wrong)
    model = load(extraction)
    if model.task == "seq2seq" and not continuation:
        raise UsageError(
            f"model {model.name!r} is an encoder-decoder; pass --continuation TEXT, the decoder's text, with "
            "one [MASK]"
        )
    if model.task in ("masked-lm", "causal-lm") and MASK not in text:
        raise UsageError(
            f"the text has no [MASK], and model {model.name!r} is a {model.task} model; write [MASK] where "
            "the answer stands"
        )
    forms = {"continuation": continuation, "correct": correct, "wrong": wrong}
    dataset = read_sentence(text, **forms, label=class_, task=model.task)
    selection = Selection(strict=True, allow_unk=allow_unk)
    _ingest(dataset, extraction, selection, store, model=model, shown=dataset.examples[0].instance.id)


@app.command("run", example="ipgraph ingest run r2a88 elsewhere/runs/r4d5e6734b293")
def ingest_run(
    names: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Ids, their beginnings, labels, or run directories."),
    ],
    store: StoreOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Load finished run directories into the graph store.

    A run that is there already is named, and gets its directory's label and measures where they differ.
    """
    from ipgraph.cli.summary import print_loaded
    from ipgraph.graphstore.opening import open_store
    from ipgraph.graphstore.runs.finding import find_run

    runs = {run.id: run for run in (find_run(runs_dir, name) for name in names)}
    with open_store(store) as opened:
        complete = {run.id for run in opened.runs() if run.state == "complete"}
        stored = [name for name in runs if name in complete]
        location, _, seconds = add_to(list(runs.values()), opened)
    print_loaded(list(runs.values()), stored, location, seconds)


def _require_answers(correct: str, wrong: str) -> None:
    """Raise UsageError that names the option of a masked word's answer that is missing."""
    for option, answer, which in (("--correct", correct, "right"), ("--wrong", wrong, "wrong")):
        if not answer:
            raise UsageError(f"{option} is missing: pass {option} WORD, the {which} word for [MASK]")


@takes("selection", Selection)
@takes("extraction", Extraction)
def extract(dataset: DatasetArgument, selection: Selection, extraction: Extraction) -> None:
    """Extract the influence patterns of a dataset into a run directory, without a graph store.

    Of several methods each has a run directory.
    """
    from ipgraph.cli.summary import print_summary

    before: RunDirectory | None = None
    for run, time_taken in extract_runs(dataset, extraction, selection):
        print_summary(run, time_taken, "", suggested("ingest run", str(run.path)), before)
        before = run


def _ingest(
    dataset: "str | Dataset",
    extraction: Extraction,
    selection: Selection,
    store: str | None,
    *,
    model: "Model | None" = None,
    shown: str = "",
) -> None:
    """Extract and load, a run for each method; `shown` is the instance that the next command shows."""
    from ipgraph.cli.summary import next_command, print_summary

    with usable_store(store) as opened:
        before: RunDirectory | None = None
        for run, extracting in extract_runs(dataset, extraction, selection, model):
            location, _, loading = add_to([run], opened)
            following = next_command(run.run, shown, store)
            print_summary(run, f"{extracting}, loading {loading:.1f} s", location, following, before)
            before = run


@contextmanager
def usable_store(store: str | None) -> "Iterator[Store]":
    """Open and read a store before a long computation, so that an unusable one is refused at once."""
    from ipgraph.graphstore.opening import open_store

    with open_store(store) as opened:
        opened.runs()
        yield opened


def load(extraction: Extraction) -> "Model":
    """Return the model that is asked for, of any family."""
    wanted = {name: getattr(extraction, name) for name in ("task", "revision", "device", "dtype")}
    with progress(LOADING, ""):
        from ipgraph.extractor.models.loading import load_any

        return load_any(extraction.model, **wanted)


def extract_runs(
    dataset: "str | Dataset",
    extraction: Extraction,
    selection: Selection,
    model: "Model | None" = None,
) -> "Iterator[tuple[RunDirectory, str]]":
    """Yield the finished run of each method and how long it took; the model is loaded once."""
    each = by_method(extraction)
    if len(each) > 1:
        model = model or load(extraction)
        _require_each(each, model)
    for one in each:
        yield extract_run(dataset, one, selection, model)


def _require_each(extractions: "Sequence[Extraction]", model: "Model") -> None:
    """Raise UsageError before the first method is computed where another one cannot be."""
    from ipgraph.extractor.extraction.options import Options

    names = [field.name for field in fields(Options)]
    for one in extractions:
        Options(**{name: getattr(one, name) for name in names}).for_model(model)


def extract_run(
    dataset: "str | Dataset",
    extraction: Extraction,
    selection: Selection,
    model: "Model | None" = None,
) -> "tuple[RunDirectory, str]":
    """Return the finished run and how long it took; `model` is the requested one, if already loaded."""
    started = time.perf_counter()
    computed = False
    with (
        _resumable(),
        warnings.catch_warnings(),
        progress("extracting", "sentences", before="" if model else LOADING) as bar,
    ):
        warnings.simplefilter("ignore", SkippedRows)  # the summary names them
        from ipgraph.extractor.extraction.extract import extract

        def report(done: int, total: int) -> None:
            nonlocal computed
            computed = True
            bar(done, total)

        arguments = asdict(extraction) | asdict(selection) | ({"model": model} if model else {})
        run = extract(dataset=dataset, **arguments, on_progress=report)
    seconds = time.perf_counter() - started
    if computed:
        return run, f"extracting {seconds:.1f} s"
    return run, f"nothing to extract, the run already existed (found in {seconds:.1f} s)"


def add_to(runs: "Sequence[RunDirectory]", store: "Store") -> tuple[str, int, float]:
    """Add run directories to an open store; return its location, the number of new runs, and seconds."""
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
