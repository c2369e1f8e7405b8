"""`ipgraph evaluate`: how well a run's patterns explain its model, beside other methods."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipgraph.cli.commands.ingest import LOADING, add_to, extract_run, load, usable_store
from ipgraph.cli.option_groups import Extraction, Selection, methods_named, takes
from ipgraph.cli.options import FormatOption, StoreOption
from ipgraph.cli.progress import progress
from ipgraph.extractor.methods.catalogue import COMPARABLE, COMPARED
from ipgraph.graphstore.common.bootstrap import RESAMPLES
from ipgraph.graphstore.common.errors import NEAREST, UsageError, nearest_first, unknown

if TYPE_CHECKING:
    from ipgraph.extractor.models.loading import LoadedModel
    from ipgraph.graphstore.runs.directory import RunDirectory
    from ipgraph.graphstore.schema.records import Measure

_SERVE_ANY_RUN = {"model", "device", "batch_size", "runs_dir", "seed"}
"""Options of an extraction or selection that an evaluation uses too: where the run's model is now, and how to
compute; a run's other ones are its own."""

TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATASET|RUN",
        help="A run (id, its beginning, or directory), or a dataset, which is extracted first.",
    ),
]


def _option(help_: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help_, rich_help_panel="Evaluation", **more)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationOptions:
    """The options of an evaluation."""

    methods: Annotated[
        str, _option(f"Methods to compare with: {', '.join(COMPARABLE)}; or all.", metavar="NAME,...")
    ] = ",".join(COMPARED)
    nodes_per_layer: Annotated[int, _option("Measure also 2 to this many nodes per layer.", min=1)] = 1
    beam: Annotated[int, _option("Compare the greedy search with a beam of this width.", min=0)] = 0
    exhaustive: Annotated[
        bool, _option("Compare it with a search of all paths (small models).", "--exhaustive")
    ] = False
    random_patterns: Annotated[int, _option("Compare it with this many random paths per word.", min=0)] = 0
    searched: Annotated[
        int, _option("Instances that --beam, --exhaustive and --random-patterns look at.", min=1)
    ] = 20
    draws: Annotated[int, _option("Random sets of nodes to ablate.", min=2)] = 50
    resamples: Annotated[int, _option("Bootstrap samples of instances.", min=2)] = RESAMPLES

    @property
    def compared(self) -> tuple[str, ...]:
        """The methods that are named; raises UsageError for an unknown name."""
        if self.methods == "all":
            return tuple(COMPARABLE)
        return tuple(method.name for method in methods_named(self.methods, COMPARABLE))


@takes("selection", Selection)
@takes("extraction", Extraction, without=("method", "at", "position_correction", "position_decay"))
@takes("options", EvaluationOptions)
def evaluate(
    context: typer.Context,
    target: TargetArgument,
    options: EvaluationOptions,
    extraction: Extraction,
    selection: Selection,
    store: StoreOption = None,
    output: FormatOption = "table",
) -> None:
    """Evaluate a run's patterns beside other methods: ablated accuracy, concentration, alignment, entropy."""
    compared = options.compared
    with usable_store(store) as opened:
        run, model = _run_and_model(context, target, extraction, selection)
        measures = _measure(run, model, compared, options, extraction, selection.seed)
        add_to([run], opened)
    _print(run, measures, output)


def _run_and_model(
    context: typer.Context, target: str, extraction: Extraction, selection: Selection
) -> "tuple[RunDirectory, LoadedModel]":
    """Return the run that is meant, or the dataset's finished extraction; a built-in dataset's name wins."""
    from ipgraph.graphstore.runs.finding import find_run

    if _is_dataset(target, extraction.runs_dir):
        from ipgraph.extractor.models.loading import require_adapter

        model = require_adapter(load(extraction))
        return extract_run(target, extraction, selection, model)[0], model
    given = _given(context)
    serve = _SERVE_ANY_RUN | ({"revision"} if "model" in given else set())
    if refused := [name for name in given if name not in serve]:
        raise UsageError(
            f"--{refused[0].replace('_', '-')} is for extracting a dataset, and {target} is a run, which has "
            "its own; leave it out"
        )
    from ipgraph.extractor.evaluation.evaluate import model_of

    run = find_run(extraction.runs_dir, target)
    name = extraction.model if "model" in given else ""
    with progress(LOADING, ""):
        return run, model_of(run, name, extraction.revision, extraction.device)


def _is_dataset(target: str, runs_dir: Path) -> bool:
    """Tell whether a dataset is meant, whose name wins, and not a run; raises UsageError for neither."""
    from ipgraph.extractor.datasets import names
    from ipgraph.graphstore.runs.finding import folder_named, list_runs

    if folder_named(target):
        return False
    if target in names() or Path(target).suffix or Path(target).exists():
        return True
    runs = [name for run in list_runs(runs_dir) for name in (run.id, run.label) if name]
    if any(run.startswith(target) for run in runs):
        return False
    near = ", ".join(nearest_first(target, runs)[:NEAREST]) or f"none in {runs_dir}"
    raise UsageError(f"{unknown('dataset or run', target, names())} (datasets); {near} (runs)")


def _given(context: typer.Context) -> list[str]:
    """Return the options of an extraction or selection that the command line names."""
    sources = {
        o.name: context.get_parameter_source(o.name) for o in (*fields(Extraction), *fields(Selection))
    }
    return [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]


def _measure(
    run: "RunDirectory",
    model: "LoadedModel",
    compared: Sequence[str],
    options: EvaluationOptions,
    extraction: Extraction,
    seed: int,
) -> "list[Measure]":
    with progress("evaluating", "sentences") as bar:
        from ipgraph.extractor.evaluation.evaluate import evaluate as measure
        from ipgraph.extractor.evaluation.searches.figures import Searches

        return measure(
            run,
            model=model,
            methods=compared,
            searches=Searches(
                nodes_per_layer=options.nodes_per_layer,
                beam=options.beam,
                exhaustive=options.exhaustive,
                random_patterns=options.random_patterns,
                instances=options.searched,
            ),
            draws=options.draws,
            resamples=options.resamples,
            seed=seed,
            batch_size=extraction.batch_size,
            on_progress=bar,
        )


def _print(run: "RunDirectory", measures: "list[Measure]", output: Any) -> None:
    from ipgraph.cli.render import render
    from ipgraph.queries.reports.evaluation import optimality_of, table1_of
    from ipgraph.queries.reports.figure5 import figure5_of
    from ipgraph.queries.views.evaluated import from_measures

    evaluated = [from_measures(run.run, measures)]
    render([*table1_of(evaluated), *figure5_of(evaluated), *optimality_of(evaluated)], output)
