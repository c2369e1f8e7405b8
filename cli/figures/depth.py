"""Plots over layers with bands: how tokens mix, and local views of heads against global ones."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ipgraph.cli.figures.cells import CELL_WITH_NUMBER, colour_bar, draw_cells, scale_to
from ipgraph.cli.figures.pen import tint
from ipgraph.cli.figures.plots import DASHES, LEAST_PANEL, columns_in, key, over_layers, percent
from ipgraph.cli.figures.style import COLUMN, MARKERS, TEXT, colour, grid, sheet, styled, turn
from ipgraph.queries.views.charts import Series
from ipgraph.queries.views.depth import LocalGlobal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT, MASS_HEIGHT, LEAST_MASSES, LAYER, AROUND = 2.1, 1.5, 1.15, 0.2, 0.65
"""Inches: heights of a plot and of one of masses, the least width of the latter; of a map, height of a layer
and of what is around it."""
BAND = 0.2
"""Strength of a band's colour."""


@styled
def mixing(series: Sequence[Series], width: float = COLUMN) -> "Figure":
    """Return the share of other tokens by layer, one line per series, each in the band of its intervals."""
    columns_in(width, 1, LEAST_PANEL)
    figure = sheet(width, HEIGHT)
    axes = figure.add_subplot()
    lines(axes, series)
    axes.set(xlabel="layer", ylabel="share of other tokens", ylim=(0, 1.02))
    key(figure, axes, series)
    figure.set_layout_engine("constrained")
    return figure


@styled
def local_global(views: LocalGlobal, title: str, width: float | None = None) -> "Figure":
    """Return a map of the heads' divergences, and below it the local and the global mass on each place."""
    width = width or TEXT
    columns = columns_in(width, len(views.masses), LEAST_MASSES)
    rows, layers = -(-len(views.masses) // columns), len(views.divergences)
    heights = [layers * LAYER + AROUND, rows * MASS_HEIGHT]
    figure = sheet(width, sum(heights))
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    above, below = parts
    _map(above, views, title)
    panels = list(below.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for axes, (place, series) in zip(panels, views.masses, strict=False):
        lines(axes, series)
        axes.set_title(f"on the {place} token")
        axes.set_xlabel("layer")
    for axes in panels[len(views.masses) :]:
        axes.set_axis_off()
    panels[0].set(ylabel="mean mass", ylim=(0, None))
    panels[0].legend(loc="best", handlelength=2.2)
    figure.set_layout_engine("constrained")
    return figure


def lines(axes: "Axes", series: Sequence[Series]) -> None:
    """Draw series over layers as lines in the bands of their intervals."""
    for index, line in enumerate(series):
        xs = [point.x for point in line.points]
        low = [point.value if point.low is None else point.low for point in line.points]
        high = [point.value if point.high is None else point.high for point in line.points]
        axes.fill_between(xs, low, high, color=tint(colour(index), BAND), linewidth=0, zorder=0.5)
    for index, line in enumerate(series):
        look: dict[str, Any] = {"color": colour(index), "linewidth": 0.9, "markersize": 3.2}
        look |= {"marker": turn(index, MARKERS), "linestyle": turn(index, DASHES)}
        axes.plot([p.x for p in line.points], [p.value for p in line.points], label=line.name, **look)
    axes.yaxis.set_major_formatter(percent())
    over_layers(axes, series)
    grid(axes)


def _map(figure: Any, views: LocalGlobal, title: str) -> None:
    layers, heads = len(views.divergences), len(views.divergences[0])
    scale = scale_to(max(map(max, views.divergences)))
    axes = figure.subplots()
    cell = figure.bbox.width / figure.dpi / (heads + 4)
    draw_cells(axes, views.divergences, scale, "divergence", with_numbers=cell >= CELL_WITH_NUMBER)
    axes.set(xticks=range(1, heads + 1), yticks=range(1, layers + 1), xlabel="head", ylabel="layer")
    axes.set_title(title, parse_math=False)
    colour_bar(figure, [axes], scale, "divergence (bits)")
