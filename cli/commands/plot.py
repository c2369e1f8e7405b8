"""`ipgraph plot`: statistics over all instances of a run, as figures for a paper."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ipgraph.cli.groups import Commands
from ipgraph.cli.options import (
    ConditionOption,
    EvaluatedRunOption,
    OutputOption,
    RunOption,
    RunsOption,
    StoreOption,
    SubtaskOption,
    WidthOption,
)
from ipgraph.cli.render import say
from ipgraph.graphstore.common.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.figure import Figure

    from ipgraph.graphstore.schema.records import Run
    from ipgraph.graphstore.store.protocol import Store
    from ipgraph.queries.language.needs import Need

SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the bootstrap intervals.")]

app = Commands(help="Plots of a run, drawn from the store alone, as .svg, .pdf or .png.")


@app.command("skip-share", example="ipgraph plot skip-share --output skips.pdf")
def skip_share(
    output: OutputOption,
    by: Annotated[
        Literal["subtask", "condition"] | None,
        typer.Option(help="Draw one line per subtask or per condition."),
    ] = None,
    subtask: SubtaskOption = "",
    condition: ConditionOption = "",
    seed: SeedOption = 0,
    width: WidthOption = None,
    run: RunOption = "",
    store: StoreOption = None,
) -> None:
    """Plot how often patterns take the skip connection per layer, with 95% intervals over instances."""
    from ipgraph.cli.figures import plots, style
    from ipgraph.queries.views.charts import skip_shares
    from ipgraph.queries.views.scope import scope_name

    with _opened(store, run, output) as (graph, chosen):
        scope = {"subtask": subtask, "condition": condition}
        series = skip_shares(graph, chosen, by=by or "", seed=seed, **scope)
    figure = plots.skip_share(series, width or style.COLUMN)
    _write(figure, output, chosen, of=scope_name(subtask, condition))


@app.command(example="ipgraph plot heads --role subject --role attractor --output heads.pdf")
def heads(
    output: OutputOption,
    role: Annotated[
        list[str] | None,
        typer.Option(help="Only patterns of words in this role; repeat the option for one map per role."),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(help="Only instances of this condition; repeat the option for one map per condition."),
    ] = None,
    subtask: SubtaskOption = "",
    width: WidthOption = None,
    run: RunOption = "",
    store: StoreOption = None,
) -> None:
    """Plot the share of the patterns that pass each attention head: layers upward, heads numbered from 1."""
    from ipgraph.cli.figures import plots
    from ipgraph.queries.views.charts import head_map
    from ipgraph.queries.views.scope import scope_name

    with _opened(store, run, output) as (graph, chosen):
        maps = [
            head_map(graph, chosen, role=r, condition=c, subtask=subtask, title=scope_name(r, subtask, c))
            for r in role or [""]
            for c in condition or [""]
        ]
    of = ", ".join(filter(None, (drawn.title for drawn in maps)))
    _write(plots.head_maps(maps, width), output, chosen, of=of)


@app.command(example="ipgraph plot margins --output margins.svg")
def margins(
    output: OutputOption,
    subtask: SubtaskOption = "",
    condition: ConditionOption = "",
    width: WidthOption = None,
    run: RunOption = "",
    store: StoreOption = None,
) -> None:
    """Plot how close the choices were: the share of choices with at most a given margin, per layer."""
    from ipgraph.cli.figures import plots
    from ipgraph.queries.views.charts import margin_panels
    from ipgraph.queries.views.scope import scope_name

    with _opened(store, run, output) as (graph, chosen):
        panels = margin_panels(graph, chosen, subtask=subtask, condition=condition)
    of = scope_name(subtask, condition)
    if not panels:
        where = " for this subtask and condition" if of else ""
        raise UsageError(f"run {chosen.id} has no choices between two candidates{where}")
    _write(plots.margins(panels, width), output, chosen, of=of)


@app.command(example="ipgraph plot entropy --output entropy.pdf")
def entropy(
    output: OutputOption,
    task: Annotated[
        str,
        typer.Option(help="Dataset or subtask whose positions are shown.", show_default="the first"),
    ] = "",
    width: WidthOption = None,
    run: EvaluatedRunOption = "",
    store: StoreOption = None,
) -> None:
    """Plot pattern entropy against influence per position, and against the QoI per task, for evaluated runs.

    The values are those that `ipgraph evaluate` stored, for guided patterns (Pi^e, Pi^a) and for the paths of
    the attention baseline.
    """
    from ipgraph.cli.figures.entropy import entropy_panels
    from ipgraph.cli.figures.scatter import scatter
    from ipgraph.queries.language.running import opened
    from ipgraph.queries.views.evaluated import evaluated_runs, tasks_of

    _ready(output)
    with opened(store) as graph:
        evaluated = evaluated_runs(graph, run)
    figure = scatter(entropy_panels(tasks_of(evaluated), task), width)
    _write(figure, output, *(evaluation.run for evaluation in evaluated))


@app.command(example="ipgraph plot mixing --run RUN --output mixing.pdf")
def mixing(
    output: OutputOption,
    subtask: SubtaskOption = "",
    condition: ConditionOption = "",
    seed: SeedOption = 0,
    width: WidthOption = None,
    run: RunsOption = None,
    store: StoreOption = None,
) -> None:
    """Plot how much of a position is not its own token's by layer, one line per run.

    Bands are 95% intervals over instances. Runs of rollout, flow, ALTI and its relatives, and hta have it.
    """
    from ipgraph.cli.figures import depth, style
    from ipgraph.queries.language.binding import resolve_run, saying_which_run
    from ipgraph.queries.language.needs import Need
    from ipgraph.queries.language.running import opened
    from ipgraph.queries.views.depth import mixing as mixing_of
    from ipgraph.queries.views.scope import scope_name, telling_names

    _ready(output)
    of, need = scope_name(subtask, condition), Need(("matrices",))
    with opened(store) as graph, saying_which_run(graph, need, is_newest=not run):
        chosen = [resolve_run(graph, name, need) for name in run or [""]]
        runs = list({one.id: one for one in chosen}.values())
        names = telling_names(runs) if len(runs) > 1 else [scope_name(runs[0].method, of)]
        scope = {"subtask": subtask, "condition": condition}
        series = [
            mixing_of(graph, one, name, seed=seed, **scope) for one, name in zip(runs, names, strict=True)
        ]
    _write(depth.mixing(series, width or style.COLUMN), output, *runs, of=of)


@app.command("local-global", example="ipgraph plot local-global --run RUN --output views.pdf")
def local_global(
    output: OutputOption,
    subtask: SubtaskOption = "",
    condition: ConditionOption = "",
    seed: SeedOption = 0,
    width: WidthOption = None,
    run: RunOption = "",
    store: StoreOption = None,
) -> None:
    """Plot how attention (local) differs from what heads take from the tokens (global), of a run of hta.

    Above is the Jensen-Shannon divergence of the two by layer and head, in bits (cells show hundredths);
    below is, by layer, the mean mass of both on five tokens, with 95% bands over instances.
    """
    from ipgraph.cli.figures import depth
    from ipgraph.queries.language.needs import Need
    from ipgraph.queries.views.depth import local_global as views_of
    from ipgraph.queries.views.scope import ALL, scope_name

    of = scope_name(subtask, condition)
    with _opened(store, run, output, Need(("views",))) as (graph, chosen):
        views = views_of(graph, chosen, subtask=subtask, condition=condition, seed=seed)
    _write(depth.local_global(views, of or ALL, width), output, chosen, of=of)


@contextmanager
def _opened(
    store: str | None, run: str, output: "Path", need: "Need | None" = None
) -> "Iterator[tuple[Store, Run]]":
    """Check that a plot can be written, then give the store and the run to plot, by default of patterns."""
    from ipgraph.queries.language.binding import resolve_run, saying_which_run
    from ipgraph.queries.language.needs import PATTERNS
    from ipgraph.queries.language.running import opened

    _ready(output)
    need = need or PATTERNS
    with opened(store) as graph, saying_which_run(graph, need, is_newest=not run):
        yield graph, resolve_run(graph, run, need)


def _ready(output: "Path") -> None:
    """Raise the errors that do not depend on data before any is read."""
    from ipgraph.cli.figures.style import check_format, need_matplotlib

    check_format(output)
    need_matplotlib()


def _write(figure: "Figure", output: "Path", *runs: "Run", of: str = "") -> None:
    from ipgraph.cli.figures.style import save
    from ipgraph.queries.views.scope import model_title

    about = [f"run {run.id}: {run.method} on {run.dataset}, {model_title(run)}" for run in runs]
    save(figure, output, "; ".join(filter(None, [*about, of])))
    say(f"wrote {output}")
