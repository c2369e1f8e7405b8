"""`ipgraph draw`: flow diagrams of instances, or of whole conditions, as files for a paper."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from ipgraph.cli.options import LevelOption, OutputOption, RunsOption, StoreOption, WidthOption
from ipgraph.cli.render import say
from ipgraph.graphstore.common.errors import UsageError, unknown
from ipgraph.queries.views.flow import THRESHOLD

if TYPE_CHECKING:
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
    store: StoreOption = None,
) -> None:
    """Draw flow diagrams: words down, layers to the right, skips dashed, heads numbered from 1.

    There is one panel per INSTANCE and --run, or per --condition and --run. In a condition's panel, the width
    of an edge is the share of the instances that use it times their mean |I|. With --versus, there is one
    panel per --run: the colour of an edge says which of the two conditions uses it more.
    """
    from ipgraph.cli.figures import flow, style
    from ipgraph.queries.language.binding import resolve_run, saying_which_run
    from ipgraph.queries.language.needs import PATTERNS
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
    chosen = _level(level)
    with opened(store) as graph, saying_which_run(graph, PATTERNS, is_newest=not run):
        chosen_runs = [resolve_run(graph, name, PATTERNS) for name in run or [""]]
        runs = list({record.id: record for record in chosen_runs}.values())
        if instances:
            drawn = _of_instances(graph, runs, instances, chosen, threshold)
        else:
            choice = Choice(chosen, threshold, MIN_SHARE if min_share is None else min_share)
            drawn = _of_conditions(graph, runs, condition or (), versus, subtask, choice)
    what = ", ".join(filter(None, [subtask, *(instances or condition or ()), versus]))
    about = f"runs {', '.join(r.id for r in runs)}: {what or ALL}"
    style.save(flow.draw(drawn, width), output, about)
    say(f"wrote {output}")


def _of_instances(
    store: "Store", runs: "Sequence[Run]", instances: Sequence[str], level: "Level | None", threshold: float
) -> "list[Diagram]":
    from ipgraph.queries.views.flow import of_sentence
    from ipgraph.queries.views.sentence import load_sentence

    return [
        _named(of_sentence(load_sentence(store, run, instance), level, threshold), run, runs)
        for instance in instances
        for run in runs
    ]


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
            drawn.append(_named(diagram, run, runs))
    return drawn


def _named(drawn: "Diagram", run: "Run", runs: "Sequence[Run]") -> "Diagram":
    """Return a diagram whose title says which of several runs it shows: by label, method, model or id."""
    from ipgraph.queries.views.scope import model_title

    if len(runs) == 1:
        return drawn
    names = (
        [r.label for r in runs],
        [r.method for r in runs],
        [*map(model_title, runs)],
        [r.id for r in runs],
    )
    telling = next(name for name in names if all(name) and len(set(name)) == len(runs))
    return replace(drawn, title=f"{telling[runs.index(run)]}: {drawn.title}")


def _level(text: str) -> "Level | None":
    """Return the level that an option names, None for the finest that a run has."""
    from ipgraph.graphstore.schema.records import LEVELS

    if not text:
        return None
    for level in LEVELS:
        if text == level:
            return level
    raise unknown("level", text, LEVELS)
