"""`ipgraph report html`: everything about a run in one file."""

from collections.abc import Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipgraph.cli.options import RunOption, StoreOption
from ipgraph.cli.render import say
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.common.files import written_beside

if TYPE_CHECKING:
    from ipgraph.cli.page.page import Illustration, Section
    from ipgraph.graphstore.schema.records import Run
    from ipgraph.graphstore.store.protocol import Store
    from ipgraph.queries.reports.declaration import Need
    from ipgraph.queries.views.sentence import Sentence

PANELS = 4
"""The most conditions that are drawn."""


def html(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="File to write, such as report.html.")
    ] = Path("report.html"),
    instances: Annotated[
        int,
        typer.Option(
            min=1, help="Instances that the view and the patterns by condition take; 1,000 take 7 MB."
        ),
    ] = 1000,
    run: RunOption = "",
    store: StoreOption = None,
) -> None:
    """Write a run's reports, figures and a view of every instance as one HTML file that needs no network."""
    from ipgraph.cli.figures.style import need_matplotlib, require_place
    from ipgraph.cli.page.page import page
    from ipgraph.queries.language.binding import resolve_run
    from ipgraph.queries.language.needs import PATTERNS
    from ipgraph.queries.language.running import opened
    from ipgraph.queries.views.sentence import load_sentences

    require_place(output)
    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{output}: the report is a page; name a file that ends in .html")
    need_matplotlib()
    with opened(store) as graph:
        chosen = resolve_run(graph, run, PATTERNS)
        sentences = load_sentences(graph, chosen, limit=instances)
        held = set(_held(graph, chosen))
        overview, *reports = _sections(graph, chosen, held)
        figures = list(_figures(graph, chosen, sentences, held))
    with written_beside(output) as partial:
        partial.write_text(page(chosen, overview, reports, figures, sentences), encoding="utf-8")
    say(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB); open it in a browser")


def _sections(store: "Store", run: "Run", held: "Container[Need]") -> "Iterator[Section]":
    """Yield the reports whose needs the run meets and whose parameters all have defaults."""
    from ipgraph.cli.page.page import Section
    from ipgraph.queries.reports.registry import REPORTS

    for report in REPORTS.values():
        if report.needs in held and not any(p.is_required for p in report.parameters):
            yield Section(report.title, report.summary, report.make(store, run=run.id))


def _held(store: "Store", run: "Run") -> "Iterator[Need]":
    """Yield what reports can need of a run that it has."""
    from ipgraph.graphstore.schema.records import levels_of
    from ipgraph.queries.language.running import ask

    yield "patterns"
    if "attention" in levels_of(run.level):
        yield "attention"
    if len(ask("measures", store, run=run.id)):
        yield "evaluation"


def _figures(
    store: "Store", run: "Run", sentences: "list[Sentence]", held: "Container[Need]"
) -> "Iterator[Illustration]":
    from ipgraph.cli.figures import plots
    from ipgraph.cli.figures.style import svg
    from ipgraph.cli.page.page import Illustration
    from ipgraph.queries.views.charts import head_map, margin_panels, skip_shares

    yield from _flows(sentences, run.instances)
    if "attention" in held:
        shares = svg(plots.skip_share(skip_shares(store, run)))
        yield Illustration(shares, "Share of the patterns that take the skip connection, with 95% intervals.")
        heads = svg(plots.head_maps([head_map(store, run)]))
        yield Illustration(heads, "Share of the patterns that pass each head, in percent.")
    if panels := margin_panels(store, run):
        margins = svg(plots.margins(panels))
        yield Illustration(margins, "How close the choices of nodes were: their margin over the runner-up.")
    if "evaluation" in held:
        yield from _entropy(store, run)


def _entropy(store: "Store", run: "Run") -> "Iterator[Illustration]":
    from ipgraph.cli.figures.entropy import entropy_panels
    from ipgraph.cli.figures.scatter import scatter
    from ipgraph.cli.figures.style import svg
    from ipgraph.cli.page.page import Illustration
    from ipgraph.queries.views.evaluated import evaluated_runs, tasks_of

    if panels := entropy_panels(tasks_of(evaluated_runs(store, run.id))):
        caption = "Pattern entropy: by position, against mean |influence|; of several tasks, against mean q."
        yield Illustration(svg(scatter(panels)), caption)


def _flows(sentences: "list[Sentence]", instances: int) -> "Iterator[Illustration]":
    """Yield the patterns of the commonest structure by condition."""
    from ipgraph.cli.figures import flow
    from ipgraph.cli.figures.style import svg
    from ipgraph.cli.page.page import Illustration
    from ipgraph.queries.views.conditions import of_condition, structures
    from ipgraph.queries.views.scope import scope_name

    if not sentences:
        return
    (roles, target), _ = structures(sentences).most_common(1)[0]
    alike = [s for s in sentences if (s.roles, s.target) == (roles, target)]
    every = sorted({(s.subtask, s.condition) for s in alike})
    conditions = every[:PANELS]
    panels = [
        of_condition([s for s in alike if (s.subtask, s.condition) == key], scope_name(*key))
        for key in conditions
    ]
    caption = (
        f"Patterns by condition. Of {len(sentences):,} of the run's {instances:,} "
        f"instances, the {len(alike):,} of the commonest structure"
        + (f"; {PANELS} of {len(every)} conditions." if len(every) > PANELS else ".")
    )
    yield Illustration(svg(flow.draw(panels)), caption)
