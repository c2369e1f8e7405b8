"""Scatter plots with a label at every point: pattern entropy, after Figure 5 of Lu et al. (2021)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ipgraph.cli.figures.plots import Series, error_bars
from ipgraph.cli.figures.style import COLUMN, MARKERS, SERIES, SMALL, TEXT, grid, letter, sheet, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

HEIGHT = 2.5
PLACES = ((4, 3), (-4, 3), (4, -3), (-4, -3), (0, 5), (0, -5), (7, 0), (-7, 0))
"""Where a label may stand beside its point, in points, best first."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """A panel of labelled points: what its axes say, its series, and a line on how they go together."""

    x: str
    y: str
    series: tuple[Series, ...]
    note: str = ""


@styled
def scatter(panels: Sequence[Scatter], width: float | None = None) -> "Figure":
    """Return scatter plots side by side; marked points (attractors, in the paper's Figure 5a) are hollow."""
    figure = sheet(width or (COLUMN if len(panels) == 1 else TEXT), HEIGHT)
    figure.set_layout_engine("constrained")
    labels = []
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), number + 1)
        for index, series in enumerate(panel.series):
            labels += _points(axes, series, index)
        start = f"({letter(number)}) " if len(panels) > 1 else ""
        axes.set_title(start + panel.note, loc="left", parse_math=False)
        axes.set(xlabel=panel.x, ylabel=panel.y)
        axes.margins(0.15)
        grid(axes, "both")
        if len(panel.series) > 1 or any(p.is_marked for p in panel.series[0].points):
            axes.legend(loc="best", handletextpad=0.3)
    _spread(figure, labels)
    return figure


def _points(axes: "Axes", series: Series, index: int) -> "list[Annotation]":
    """Draw a series; return its labels."""
    error_bars(axes, series, index, 0.0, linestyle="none", zorder=1)
    colour, marker = SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]
    for is_marked in (False, True):
        points = [p for p in series.points if p.is_marked == is_marked]
        face = "white" if is_marked else colour
        style: dict[str, Any] = {"s": 16, "marker": marker, "facecolor": face, "edgecolor": colour}
        name = f"{series.name} (attractor)" if is_marked else series.name
        if points:
            axes.scatter([p.x for p in points], [p.value for p in points], label=name, linewidth=0.9, **style)
    place: dict[str, Any] = {"textcoords": "offset points", "fontsize": SMALL - 0.5, "color": colour}
    return [
        axes.annotate(p.label, (p.x, p.value), PLACES[0], parse_math=False, **place) for p in series.points
    ]


def _spread(figure: "Figure", labels: "Sequence[Annotation]") -> None:
    """Put each label where it covers least of the points, the legends and the labels before it."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    taken = [legend.get_window_extent() for axes in figure.axes if (legend := axes.get_legend())]
    for label in labels:
        x, y = label.axes.transData.transform(label.xy)  # type: ignore[union-attr]
        taken.append(Bbox.from_bounds(x - 3, y - 3, 6, 6))
    for label in labels:
        best = min(PLACES, key=lambda place: _covered(label, place, taken))
        _covered(label, best, taken)
        taken.append(label.get_window_extent())


def _covered(label: "Annotation", place: tuple[int, int], taken: "Sequence[Bbox]") -> float:
    """Move a label; return how much of what is there it covers."""
    from matplotlib.transforms import Bbox

    x, y = place
    label.set_position(place)
    label.set_horizontalalignment("left" if x > 0 else "right" if x else "center")
    label.set_verticalalignment("bottom" if y > 0 else "top" if y else "center")
    mine = label.get_window_extent()
    shared = (Bbox.intersection(mine, other) for other in taken)
    return sum(box.width * box.height for box in shared if box is not None)
