"""The plots over layers and heads: skip share, margins, maps of heads.

Each is a function from points to a figure. Series differ in colour and in marker or dash, so that they can be
told apart in black and white.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

from ipgraph.cli.figures.cells import CELL_WITH_NUMBER, colour_bar, draw_cells, scale_to
from ipgraph.cli.figures.pen import wrapped
from ipgraph.cli.figures.style import (
    COLUMN,
    INK,
    MARKERS,
    TEXT,
    colour,
    grid,
    letter,
    sheet,
    styled,
    turn,
)
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.queries.views.charts import HeadMap, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

HEIGHT = 2.1
APART, SPREAD = 0.06, 0.5
"""Distance, in layers, between two series at one layer; largest distance between all of them."""
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
WIDEST_MAP, LEAST_CELL = 0.32, 0.1
"""Widest and narrowest cell of a map; a narrower one has no room for the number of its head."""
MOST_TICKS = 12
"""The most layers that an axis numbers."""
BESIDE_MAP, SCALE_ROOM, LEAST_PANEL = 0.45, 0.5, 2.0
"""Room beside a map, that of the colour scale, and the least width of a panel with axes."""


@styled
def skip_share(series: Sequence[Series], width: float = COLUMN) -> "Figure":
    """Return the skip share by layer with intervals, one line per series."""
    columns_in(width, 1, LEAST_PANEL)
    figure, axes = _axes(width)
    for index, line in enumerate(series):
        shift = min(APART, SPREAD / len(series)) * (index - (len(series) - 1) / 2)
        _intervals(axes, line, index, shift, linestyle=turn(index, DASHES))
    axes.set(xlabel="layer", ylabel="skip share", ylim=(0, 1.02))
    axes.yaxis.set_major_formatter(percent())
    over_layers(axes, series)
    grid(axes)
    key(figure, axes, series)
    return figure


@styled
def margins(panels: Sequence[tuple[str, Sequence[Series]]], width: float | None = None) -> "Figure":
    """Return the share of choices with at most a given margin: one panel per level, one line per layer."""
    width = width or COLUMN * min(2, len(panels))
    columns = columns_in(width, len(panels), LEAST_PANEL)
    lines = -(-len(panels) // columns)
    figure = sheet(width, HEIGHT * lines)
    most = max(len(series) for _, series in panels)
    grid_of = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for number, (title, series) in enumerate(panels):
        axes = grid_of.flat[number]
        for index, line in enumerate(series):
            xs, ys = [p.x for p in line.points], [p.value for p in line.points]
            axes.plot(xs, ys, label=line.name, **_rank(index, most))
        axes.set(xscale="log", ylim=(0, 1.02), title=title)
        if number + columns >= len(panels):
            axes.set_xlabel("margin / |q|")
        axes.yaxis.set_major_formatter(percent())
        grid(axes, "both")
        if number % columns == 0:
            axes.set_ylabel("share of choices")
    names: dict[str, Any] = {"title": "layer", "handlelength": 2.4, "ncols": 1 + (most > 6)}
    fullest = max(figure.axes, key=lambda axes: len(axes.lines))
    fullest.legend(loc="upper left", **names)
    figure.set_layout_engine("constrained")
    return figure


def _rank(index: int, count: int) -> dict[str, Any]:
    """Return the look of one of `count` ordered lines: from dark to light, with dashes in turn."""
    from matplotlib import colormaps

    shade = colormaps["viridis"](0.9 * index / max(1, count - 1))
    return {"color": shade, "linewidth": 1.1, "linestyle": DASHES[index % len(DASHES)]}


@styled
def head_maps(maps: Sequence[HeadMap], width: float | None = None) -> "Figure":
    """Return maps of heads (numbered 1..A, layers upward), side by side on one scale."""
    layers, heads = max(len(m.shares) for m in maps), max(len(row) for m in maps for row in m.shares)
    natural = len(maps) * (BESIDE_MAP + heads * WIDEST_MAP) + SCALE_ROOM
    width = width or min(natural, COLUMN if len(maps) == 1 else TEXT)
    columns = columns_in(width - SCALE_ROOM, len(maps), BESIDE_MAP + heads * LEAST_CELL, beside=SCALE_ROOM)
    cell = ((width - SCALE_ROOM) / columns - BESIDE_MAP) / heads
    lines = -(-len(maps) // columns)
    figure = sheet(width, lines * (layers * max(min(cell, WIDEST_MAP), 0.16) + 0.65))
    scale = scale_to(max((share for m in maps for row in m.shares for share in row), default=1))
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for number, (axes, drawn) in enumerate(zip(panels.flat, maps, strict=False)):
        titled = replace(drawn, title="\n".join(wrapped(drawn.title, heads * cell + BESIDE_MAP / 2)))
        _cells(axes, titled, scale, letter(number), with_numbers=cell >= CELL_WITH_NUMBER)
        if number % columns == 0:
            axes.set_ylabel("layer")
        if number + columns >= len(maps):
            axes.set_xlabel("head")
            axes.tick_params(labelbottom=True)
    for axes in panels.flat[len(maps) :]:
        axes.set_axis_off()
    bar = colour_bar(figure, list(panels.flat), scale, "share of patterns")
    bar.ax.yaxis.set_major_formatter(percent())
    figure.set_layout_engine("constrained")
    return figure


def columns_in(width: float, count: int, least: float, *, beside: float = 0.0) -> int:
    """Return how many panels of at least a width, in inches, stand side by side.

    Raises UsageError, with the width that would do, if not even one has room.
    """
    if width < least - 1e-9:
        needed = ceil(10 * (least + beside) - 1e-9) / 10
        raise UsageError(f"this figure needs a width of at least {needed:.1f} inches, not {width + beside:g}")
    return min(count, int(width / least + 1e-9))


def _cells(axes: "Axes", drawn: HeadMap, scale: "Normalize", panel: str, *, with_numbers: bool) -> None:
    draw_cells(axes, drawn.shares, scale, f"{panel}-head", with_numbers=with_numbers)
    axes.set_title(drawn.title, parse_math=False)
    axes.set(xticks=range(1, len(drawn.shares[0]) + 1), yticks=range(1, len(drawn.shares) + 1))


def _intervals(axes: "Axes", series: Series, index: int, shift: float, **more: Any) -> None:
    """Draw a series as a line with markers and intervals."""
    style = {"marker": turn(index, MARKERS), "markersize": 3.2, "linewidth": 0.9, **more}
    error_bars(axes, series, index, shift, label=series.name, **style)


def error_bars(axes: "Axes", series: Series, index: int, shift: float, **more: Any) -> None:
    """Draw the points of a series with their intervals, in its colour."""
    points = series.points
    below = [p.value - (p.value if p.low is None else p.low) for p in points]
    above = [(p.value if p.high is None else p.high) - p.value for p in points]
    spread = [[max(0.0, b) for b in below], [max(0.0, a) for a in above]]
    xs, ys = [p.x + shift for p in points], [p.value for p in points]
    look: dict[str, Any] = {"color": colour(index), "elinewidth": 0.7, "capsize": 1.5, "capthick": 0.7}
    axes.errorbar(xs, ys, yerr=spread, **look, **more)


def _axes(width: float) -> "tuple[Figure, Axes]":
    figure = sheet(width, HEIGHT)
    axes = figure.add_subplot()
    figure.set_layout_engine("constrained")
    return figure, axes


def over_layers(axes: "Axes", series: Sequence[Series]) -> None:
    """Let an axis number the layers of series, some of them where there are many."""
    layers = sorted({round(p.x) for line in series for p in line.points})
    axes.set_xticks(layers[:: -(-len(layers) // MOST_TICKS)])


def percent() -> Any:
    """Return what writes shares as percentages."""
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1)


def key(figure: "Figure", axes: "Axes", series: Sequence[Series]) -> None:
    """Write the names of several series above the axes."""
    if len(series) > 1:
        longest = max(len(line.name) for line in series)
        columns = max(1, min(len(series), int(figure.get_figwidth() / (0.45 + 0.05 * longest))))
        look: dict[str, Any] = {"ncols": columns, "handlelength": 2.2, "columnspacing": 1.2}
        drawn: list[Any] = list(axes.containers or axes.lines)
        legend = figure.legend(drawn, [""] * len(series), loc="outside upper center", **look)
        # Users choose the names: $ must not start mathematics, and a leading _ must not hide a name.
        for text, line in zip(legend.get_texts(), series, strict=True):
            text.set(text=line.name, parse_math=False)
    else:
        axes.set_title(series[0].name if series else "", color=INK, parse_math=False)
