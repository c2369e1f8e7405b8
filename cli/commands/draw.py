"""`ipgraph draw`: instances, or whole conditions, as files for a paper."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ipgraph.cli.options import (
    RUNS_DIR,
    LevelOption,
    OutputOption,
    RunsDirOption,
    RunsOption,
    StoreOption,
    WidthOption,
)
from ipgraph.cli.pictures import Kind, Shown, kind_of, named, need_of
from ipgraph.cli.render import say
from ipgraph.graphstore.common.errors import UsageError, unknown
from ipgraph.queries.views.flow import THRESHOLD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ipgraph.graphstore.schema.records import Level, Run
    from ipgraph.graphstore.store.protocol import Store
    from ipgraph.queries.views.conditions import Choice
    from ipgraph.queries.views.flow import Diagram


def draw(
    output: OutputOption,
    instances: Annotated[
        list[str] | None,
        typer.Argument(metavar="INSTANCE...", help="Ids, beginnings of ids, or the names of rows."),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            help="Draw all instances of a condition as one; repeat it to compare; '' is the whole run."
        ),
    ] = None,
    versus: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help="Draw the difference between one --condition and this one, first less second.",
        ),
    ] = None,
    subtask: Annotated[str, typer.Option(help="With --condition: only instances of this subtask.")] = "",
    kind: Annotated[
        Kind | None,
        typer.Option(
            help="What is drawn of an INSTANCE: its paths; the flow network of one token; layer matrices as "
            "heat maps; the text on the colours of its scores.",
            show_default="that of --token or --layer; else paths, and of a run without paths flow or text",
        ),
    ] = None,
    token: Annotated[
        str,
        typer.Option(
            help="The token, or its position from 0, whose flow is drawn as a flow network.",
            show_default="the most attributed",
        ),
    ] = "",
    layer: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="The layer, from 1, whose matrix is drawn; repeat it for several.",
            show_default="the last",
        ),
    ] = None,
    level: LevelOption = "",
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Draw words with at least this share of the sum of |g|.")
    ] = THRESHOLD,
    min_share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="With --condition: draw edges that at least this share of the instances take.",
            show_default="0.1",
        ),
    ] = None,
    width: WidthOption = None,
    run: RunsOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    store: StoreOption = None,
) -> None:
    """Draw flow diagrams: words down, layers to the right, skips dashed, heads numbered from 1.

    There is one panel per INSTANCE and --run, or per --condition and --run. In a condition's panel, the width
    of an edge is the share of the instances that use it times their mean |I|. With --versus, there is one
    panel per --run: the colour of an edge says which of the two conditions uses it more.

    A run without paths, or --kind, gives another picture: the flow network of one token (width by flow, the
    minimum cut dashed), layer matrices (destinations in rows), or the text on the colours of its scores.
    """
    from ipgraph.cli.figures import flow, style
    from ipgraph.queries.language.binding import resolve_run, saying_which_run
    from ipgraph.queries.language.running import opened
    from ipgraph.queries.views.conditions import MIN_SHARE, Choice
    from ipgraph.queries.views.scope import ALL

    style.check_format(output)
    style.need_matplotlib()
    if bool(instances) == bool(condition):
        raise UsageError("give either instances (`ipgraph query run instances` lists them) or --condition")
    if instances and (subtask or min_share is not None or versus is not None):
        raise UsageError("--subtask, --min-share and --versus can be used with --condition only")
    if versus is not None and len(condition or ()) != 1:
        raise UsageError("--versus needs exactly one --condition to compare with")
    kind = _kind(
        kind, {"paths": ("--level", level), "flow": ("--token", token), "matrix": ("--layer", layer)}
    )
    if condition and kind not in (None, "paths"):
        raise UsageError(f"a picture of kind {kind} is of instances, not of a --condition")
    chosen = _level(level)
    need = need_of("paths" if condition else kind)
    with opened(store) as graph, saying_which_run(graph, need, is_newest=not run):
        chosen_runs = [resolve_run(graph, name, need) for name in run or [""]]
        runs = list({record.id: record for record in chosen_runs}.values())
        if instances:
            shown = Shown(graph, runs, instances, runs_dir)
            figure = _of_instances(shown, kind or kind_of(runs), chosen, threshold, token, layer or (), width)
        else:
            choice = Choice(chosen, threshold, MIN_SHARE if min_share is None else min_share)
            figure = flow.draw(_of_conditions(graph, runs, condition or (), versus, subtask, choice), width)
    what = ", ".join(filter(None, [subtask, *(instances or condition or ()), versus]))
    about = f"runs {', '.join(r.id for r in runs)}: {what or ALL}"
    style.save(figure, output, about)
    say(f"wrote {output}")


def _of_instances(
    shown: Shown,
    kind: Kind,
    level: "Level | None",
    threshold: float,
    token: str,
    layers: Sequence[int],
    width: float | None,
) -> "Figure":
    from ipgraph.cli.figures import flow, matrices, scored

    if kind == "matrix":
        return matrices.matrices(shown.matrices(layers), width)
    if kind == "text":
        return scored.scored_texts(shown.texts(), width)
    return flow.draw(shown.flows(token) if kind == "flow" else shown.paths(level, threshold), width)


def _of_conditions(
    store: "Store",
    runs: "Sequence[Run]",
    conditions: Sequence[str],
    versus: str | None,
    subtask: str,
    choice: "Choice",
) -> "list[Diagram]":
    """Return a panel per condition and run, or where one is compared with another, a panel per run."""
    from ipgraph.queries.views.conditions import of_condition, of_difference
    from ipgraph.queries.views.scope import ALL, scope_name
    from ipgraph.queries.views.sentence import load_sentences

    drawn = []
    for condition in conditions:
        names = [condition] if versus is None else [condition, versus]
        titles = [scope_name(subtask, name) or ALL for name in names]
        for run in runs:
            first, *other = (load_sentences(store, run, subtask=subtask, condition=name) for name in names)
            diagram = (
                of_difference(first, other[0], (titles[0], titles[1]), choice)
                if other
                else of_condition(first, titles[0], choice)
            )
            drawn.append(named(diagram, run, runs))
    return drawn


def _kind(kind: Kind | None, options: "Mapping[Kind, tuple[str, object]]") -> Kind | None:
    """Return the kind that is named, or that an option is of; None where neither is.

    Raises UsageError for an option of another kind.
    """
    for of, (name, given) in options.items():
        if given and kind not in (None, of):
            raise UsageError(f"{name} is for a picture of kind {of}, and this is of kind {kind}")
        kind = of if given else kind
    return kind


def _level(text: str) -> "Level | None":
    """Return the level that an option names, None for the finest that a run has."""
    from ipgraph.graphstore.schema.records import LEVELS

    if not text:
        return None
    for level in LEVELS:
        if text == level:
            return level
    raise unknown("level", text, LEVELS)
