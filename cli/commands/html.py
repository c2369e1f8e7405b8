"""`ipgraph report html`: everything about a run in one file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipgraph.cli.options import RunOption, StoreOption
from ipgraph.graphstore.common.errors import UsageError

if TYPE_CHECKING:
    from ipgraph.cli.figures.diagram import Sentence
    from ipgraph.cli.page.page import Illustration, Section
    from ipgraph.graphstore.schema.records import Run
    from ipgraph.graphstore.store.protocol import Store

REPORTS = ("overview", "quality", "skip-share", "heads", "subpaths", "words", "convergence", "entropy")
"""The reports that the page holds: those that need no choice of words or conditions."""
OF_HEADS = ("skip-share", "heads")
"""Those of them that need attention-level patterns."""
OF_EVALUATIONS = {"table1": "Table 1", "figure5": "Figure 5", "optimality": "Optimality"}
"""What the page holds beside them of an evaluated run, and under what heading."""
PANELS = 4
"""Conditions drawn at most."""


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
    from ipgraph.cli.figures.gather import load_sentences
    from ipgraph.cli.figures.style import need_matplotlib, require_place
    from ipgraph.cli.page.page import page
    from ipgraph.queries.language.binding import resolve_run
    from ipgraph.queries.language.running import opened

    require_place(output)
    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{output}: the report is a page; name a file that ends in .html")
    need_matplotlib()
    with opened(store) as graph:
        chosen = resolve_run(graph, run)
        sentences = load_sentences(graph, chosen, limit=instances)
        overview, *reports = _reports(graph, chosen)
        figures = list(_figures(graph, chosen, sentences))
    output.write_text(page(chosen, overview, reports, figures, sentences), encoding="utf-8")
    typer.echo(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB); open it in a browser")


def _reports(store: "Store", run: "Run") -> "Iterator[Section]":
    from ipgraph.cli.page.page import Section
    from ipgraph.queries.reports.registry import REPORTS as KNOWN

    names = [name for name in REPORTS if run.level != "embedding" or name not in OF_HEADS]
    for name in [*names, *(OF_EVALUATIONS if _is_evaluated(store, run) else ())]:
        report = KNOWN[name]
        heading = OF_EVALUATIONS.get(name, name.replace("-", " ").capitalize())
        yield Section(heading, report.title, report.function(store, run=run.id))


def _is_evaluated(store: "Store", run: "Run") -> bool:
    from ipgraph.queries.language.running import ask

    return len(ask("measures", store, run=run.id)) > 0


def _figures(store: "Store", run: "Run", sentences: "list[Sentence]") -> "Iterator[Illustration]":
    from ipgraph.cli.figures import plots, points
    from ipgraph.cli.figures.style import svg
    from ipgraph.cli.page.page import Illustration

    yield from _flows(sentences, run.instances)
    if run.level != "embedding":
        shares = svg(plots.skip_share(points.skip_shares(store, run)))
        yield Illustration(shares, "Share of the patterns that take the skip connection, with 95% intervals.")
        heads = svg(plots.head_maps([points.head_map(store, run)]))
        yield Illustration(heads, "Share of the patterns that pass each head, in percent.")
    if panels := points.margin_panels(store, run):
        margins = svg(plots.margins(panels))
        yield Illustration(margins, "How close the choices of nodes were: their margin over the runner-up.")
    if _is_evaluated(store, run):
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
    from ipgraph.cli.figures.diagram import of_condition, structures
    from ipgraph.cli.figures.gather import scope_name
    from ipgraph.cli.figures.style import svg
    from ipgraph.cli.page.page import Illustration

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
        "Patterns by condition: an edge's width is the share of instances that take it, from 10% on; words "
        f"with less than 5% of the sum of |g| are left out. Of {len(sentences):,} of the run's {instances:,} "
        f"instances, the {len(alike):,} of the commonest structure"
        + (f"; {PANELS} of {len(every)} conditions." if len(every) > PANELS else ".")
    )
    yield Illustration(svg(flow.draw(panels)), caption)
