"""`ipgraph evaluate`: how well a run's patterns explain its model, beside other methods."""

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipgraph.cli.ingest import add_runs, extract_run
from ipgraph.cli.options import Extraction, FormatOption, Selection, StoreOption, takes
from ipgraph.cli.progress import progress
from ipgraph.graphstore.errors import UsageError

if TYPE_CHECKING:
    from ipgraph.graphstore.runs import RunDirectory
    from ipgraph.graphstore.schema import Measure

_RUN_ID = re.compile("r[0-9a-f]{1,12}")
_SERVE_ANY_RUN = {"device", "batch_size", "runs_dir", "seed"}
"""Options of an extraction or selection that an evaluation uses too; a run's other ones are its own."""

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
class Asked:
    """The options of an evaluation."""

    methods: Annotated[
        str,
        _option(
            "Methods to compare with: attention, attention_max, conductance, internal_influence, "
            "internal_influence_l2, random, skip_replaced; or all.",
            metavar="NAME,...",
        ),
    ] = "attention,conductance,internal_influence,random,skip_replaced"
    nodes_per_layer: Annotated[int, _option("Also keep 1 to so many nodes a layer.", min=1)] = 1
    beam: Annotated[int, _option("Compare the greedy search with a beam of so many paths.", min=0)] = 0
    exhaustive: Annotated[
        bool, _option("Compare it with a search of every path (small models).", "--exhaustive")
    ] = False
    random_patterns: Annotated[int, _option("Compare it with so many random paths a word.", min=0)] = 0
    searched: Annotated[
        int, _option("Instances that --beam, --exhaustive and --random-patterns look at.", min=1)
    ] = 20
    draws: Annotated[int, _option("Random sets of nodes to ablate.", min=2)] = 50
    resamples: Annotated[int, _option("Bootstrap samples of instances.", min=2)] = 1000


@takes("selection", Selection)
@takes("extraction", Extraction, without="method")
@takes("asked", Asked)
def evaluate(
    context: typer.Context,
    target: TargetArgument,
    asked: Asked,
    extraction: Extraction,
    selection: Selection,
    store: StoreOption = None,
    output: FormatOption = "table",
) -> None:
    """Evaluate a run's patterns beside other methods: ablated accuracy, concentration, alignment, entropy."""
    run = _run(context, target, extraction, selection)
    measures = _measure(run, asked, extraction, selection.seed)
    add_runs([run], store)
    _print(run, measures, output)


def _run(context: typer.Context, target: str, extraction: Extraction, selection: Selection) -> "RunDirectory":
    """Return the run that is meant, or the dataset's finished extraction; a built-in dataset's name wins."""
    from ipgraph.extractor.datasets import names
    from ipgraph.graphstore.runs import find_run

    is_directory = (Path(target) / "run.json").exists()
    if not is_directory and (target in names() or not _RUN_ID.fullmatch(target)):
        run, _ = extract_run(target, extraction, selection)
        return run
    _refuse_what_is_the_runs_own(context, target)
    return find_run(extraction.runs_dir, target)


def _refuse_what_is_the_runs_own(context: typer.Context, run: str) -> None:
    for option in (*fields(Extraction), *fields(Selection)):
        source = context.get_parameter_source(option.name)
        if source is not None and source.name == "COMMANDLINE" and option.name not in _SERVE_ANY_RUN:
            name = option.name.replace("_", "-")
            raise UsageError(
                f"--{name} is for extracting a dataset, and {run} is a run, which has its own; leave it out"
            )


def _measure(run: "RunDirectory", asked: Asked, extraction: Extraction, seed: int) -> "list[Measure]":
    with progress("evaluating", "sentences") as bar:
        from ipgraph.extractor.evaluation.evaluate import COMPARABLE
        from ipgraph.extractor.evaluation.evaluate import evaluate as measure
        from ipgraph.extractor.evaluation.searches import Searches

        return measure(
            run,
            methods=COMPARABLE if asked.methods == "all" else asked.methods.split(","),
            searches=Searches(
                nodes_per_layer=asked.nodes_per_layer,
                beam=asked.beam,
                exhaustive=asked.exhaustive,
                random_patterns=asked.random_patterns,
                instances=asked.searched,
            ),
            draws=asked.draws,
            repeats=asked.resamples,
            seed=seed,
            device=extraction.device,
            batch_size=extraction.batch_size,
            on_progress=bar,
        )


def _print(run: "RunDirectory", measures: "list[Measure]", output: Any) -> None:
    from ipgraph.cli.render import render
    from ipgraph.queries.evaluated import from_measures
    from ipgraph.queries.report_evaluation import optimality_of, table1_of
    from ipgraph.queries.report_figure5 import figure5_of

    evaluated = [from_measures(run.run, measures)]
    render([*table1_of(evaluated), *figure5_of(evaluated), *optimality_of(evaluated)], output)
