"""`ipgraph plot`: what a run shows over all its instances, as figures for a paper."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ipgraph.cli.commands.draw import OutputOption, WidthOption
from ipgraph.cli.options import EvaluatedRunOption, RunOption, StoreOption
from ipgraph.graphstore.common.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.figure import Figure

    from ipgraph.graphstore.schema.records import Run
    from ipgraph.graphstore.store.protocol import Store

app = typer.Typer(
    no_args_is_help=True, help="Plots of a run, made from the store alone, as .svg, .pdf or .png."
)

SubtaskOption = Annotated[str, typer.Option(help="Only instances of this subtask.")]
ConditionOption = Annotated[str, typer.Option(help="Only instances of this condition.")]


@app.command("skip-share")
def skip_share(
    output: OutputOption,
    by: Annotated[
        Literal["subtask", "condition"] | None, typer.Option(help="One line a subtask, or a condition.")
    ] = None,
    subtask: SubtaskOption = "",
    condition: ConditionOption = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resampling behind the intervals.")] = 0,
    width: WidthOption = None,
    run: RunOption = "",
    store: StoreOption = None,
) -> None:
    """Plot how often patterns take the skip connection in each layer, with 95% intervals over instances."""
    from ipgraph.cli.figures import gather, plots, points, style

    with _opened(store, run, output) as (graph, chosen):
        scope = {"subtask": subtask, "condition": condition}
        series = points.skip_shares(graph, chosen, by=by or "", seed=seed, **scope)
    figure = plots.skip_share(series, width or style.COLUMN)
    _write(figure, output, chosen, of=gather.scope_name(subtask, condition))


@app.command()
def heads(
    output: OutputOption,
    role: Annotated[
        list[str] | None, typer.Option(help="Only patterns of words in this role; repeat it for a map each.")
    ] = None,
    condition: Annotated[
        list[str] | None, typer.Option(help="Only instances of this condition; repeat it for a map each.")
    ] = None,
    subtask: SubtaskOption = "",
    width: WidthOption = None,
    run: RunOption = "",
    store: StoreOption = None,
) -> None:
    """Plot which share of the patterns passes each attention head: layers upward, heads numbered from 1."""
    from ipgraph.cli.figures import gather, plots, points

    with _opened(store, run, output) as (graph, chosen):
        maps = [
            points.head_map(
                graph, chosen, role=r, condition=c, subtask=subtask, title=gather.scope_name(r, subtask, c)
            )
            for r in role or [""]
            for c in condition or [""]
        ]
    of = ", ".join(filter(None, (drawn.title for drawn in maps)))
    _write(plots.head_maps(maps, width), output, chosen, of=of)


@app.command()
def margins(
    output: OutputOption,
    subtask: SubtaskOption = "",
    condition: ConditionOption = "",
    width: WidthOption = None,
    run: RunOption = "",
    store: StoreOption = None,
) -> None:
    """Plot how close the choices were: the share of choices with at most a given margin, layer by layer."""
    from ipgraph.cli.figures import gather, plots, points

    with _opened(store, run, output) as (graph, chosen):
        panels = points.margin_panels(graph, chosen, subtask=subtask, condition=condition)
    of = gather.scope_name(subtask, condition)
    if not panels:
        why = " of this subtask and condition" if of else ": no step had two candidates"
        raise UsageError(f"run {chosen.id} has no choices with a margin{why}")
    _write(plots.margins(panels, width), output, chosen, of=of)


@app.command()
def entropy(
    output: OutputOption,
    task: Annotated[
        str,
        typer.Option(help="Task whose positions are shown: a dataset or subtask.", show_default="the first"),
    ] = "",
    width: WidthOption = None,
    run: EvaluatedRunOption = "",
    store: StoreOption = None,
) -> None:
    """Plot pattern entropy against influence by position, and against the QoI by task, of evaluated runs.

    What ipgraph evaluate stored: of guided patterns (Pi^e, Pi^a) and of the attention baseline's paths.
    """
    from ipgraph.cli.figures.entropy import entropy_panels
    from ipgraph.cli.figures.scatter import scatter
    from ipgraph.queries.language.running import opened
    from ipgraph.queries.views.evaluated import evaluated_runs, tasks_of

    _ready(output)
    with opened(store) as graph:
        evaluated = evaluated_runs(graph, run)
    figure = scatter(entropy_panels(tasks_of(evaluated), task), width)
    _write(figure, output, *(e.run for e in evaluated))


@contextmanager
def _opened(store: str | None, run: str, output: "Path") -> "Iterator[tuple[Store, Run]]":
    """Give the store and the run that a plot is of, once it is sure that the plot can be written."""
    from ipgraph.queries.language.binding import resolve_run
    from ipgraph.queries.language.running import opened

    _ready(output)
    with opened(store) as graph:
        yield graph, resolve_run(graph, run)


def _ready(output: "Path") -> None:
    """Raise the errors that need no data before any is read."""
    from ipgraph.cli.figures.style import check_format, need_matplotlib

    check_format(output)
    need_matplotlib()


def _write(figure: "Figure", output: "Path", *runs: "Run", of: str = "") -> None:
    from ipgraph.cli.figures.style import save

    about = [f"run {run.id}: {run.method} on {run.dataset}, {run.model_name}" for run in runs]
    save(figure, output, "; ".join(filter(None, [*about, of])))
    typer.echo(f"wrote {output}")
