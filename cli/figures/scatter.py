"""Scatter plots with a label at every point: pattern entropy, after Figure 5 of Lu et al. (2021)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING, Any

from ipgraph.cli.figures.plots import LEAST_PANEL, columns_in, error_bars
from ipgraph.cli.figures.style import COLUMN, MARKERS, SMALL, TEXT, colour, grid, letter, sheet, styled, turn
from ipgraph.queries.views.charts import Point, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

    Labelled = tuple[Annotation, Point]

HEIGHT = 2.3
MARKED = "attractor"
"""What marked points are called in the legend."""
PLACES = (*((x, y) for y in (3, -3, 9, -9, 16, -16) for x in (4, -4)), (0, 5), (0, -5))
"""Offsets of a label from its point, in points, best first."""
NEAR = 5
"""A label at most this far above or below its point needs no line to it."""
MISLEADING = 40.0
"""Pixels that a label may cover rather than be nearer to another point."""

Place = tuple[int, int]
Spot = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scatter:
    """A panel of labelled points: the names of its axes, its series, and its title."""

    x: str
    y: str
    series: tuple[Series, ...]
    note: str = ""


@styled
def scatter(rows: Sequence[Sequence[Scatter]], width: float | None = None) -> "Figure":
    """Return rows of scatter plots; marked points (attractors in the paper's Figure 5a) are hollow."""
    most = max(len(row) for row in rows)
    width = width or (COLUMN if most == 1 else TEXT)
    columns = columns_in(width, most, LEAST_PANEL)
    heights = [-(-len(row) // columns) for row in rows]
    figure = sheet(width, sum(heights) * HEIGHT)
    figure.set_layout_engine("constrained")
    labels = []
    for number, row in enumerate(rows):
        start = f"({letter(number)}) " if len(rows) > 1 else ""
        first = sum(heights[:number]) * columns + 1
        drawn: list[Axes] = []
        for place, panel in enumerate(row):
            alike = drawn[0] if drawn else None
            axes = figure.add_subplot(sum(heights), columns, first + place, sharex=alike, sharey=alike)
            labels += _panel(axes, panel, start if place == 0 else "")
            if place % columns == 0:
                axes.set_ylabel(panel.y)
            drawn.append(axes)
        _legend(drawn[0], row[0])
    _spread(figure, labels)
    return figure


def _panel(axes: "Axes", panel: Scatter, start: str) -> "list[Labelled]":
    """Draw a panel; return the labels of its points."""
    labels = [label for n, series in enumerate(panel.series) for label in _points(axes, series, n)]
    axes.set_title(start + panel.note, loc="left", fontsize=SMALL, parse_math=False)
    axes.set_xlabel(panel.x)
    axes.margins(0.2, 0.12)
    grid(axes, "both")
    return labels


def _legend(axes: "Axes", panel: Scatter) -> None:
    """Name several series, and marked points."""
    drawn, names = axes.get_legend_handles_labels()
    named = [pair for pair in zip(drawn, names, strict=True) if len(panel.series) > 1 or pair[1] == MARKED]
    if named:
        axes.legend(*zip(*named, strict=True), loc="best", handletextpad=0.3)


def _points(axes: "Axes", series: Series, index: int) -> "list[Labelled]":
    """Draw a series; return its labels."""
    error_bars(axes, series, index, 0.0, linestyle="none", zorder=1)
    ink, marker = colour(index), turn(index, MARKERS)
    for is_marked in (False, True):
        points = [p for p in series.points if p.is_marked == is_marked]
        face = "white" if is_marked else ink
        style: dict[str, Any] = {"s": 16, "marker": marker, "facecolor": face, "edgecolor": ink}
        name = MARKED if is_marked else series.name
        if points:
            axes.scatter([p.x for p in points], [p.value for p in points], label=name, linewidth=0.9, **style)
    leader = {"arrowstyle": "-", "color": ink, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2}
    look: dict[str, Any] = {"textcoords": "offset points", "fontsize": SMALL - 0.5, "color": ink}
    return [
        (axes.annotate(p.label, (p.x, p.value), PLACES[0], parse_math=False, arrowprops=leader, **look), p)
        for p in series.points
    ]


def _spread(figure: "Figure", labels: "Sequence[Labelled]") -> None:
    """Move each label to where it covers least of the points, legends and labels placed before it.

    A label that is far from its point, or nearer to another one, gets a line to its point.
    """
    figure.draw_without_rendering()
    taken = [legend.get_window_extent() for axes in figure.axes if (legend := axes.get_legend())]
    taken += [_mark(label, point) for label, point in labels]
    spots = [_screen(label, point.x, point.value) for label, point in labels]
    for (label, _), target in zip(labels, spots, strict=True):
        beside = [spot for (other, _), spot in zip(labels, spots, strict=True) if other.axes is label.axes]
        best = min(
            PLACES,
            key=lambda place: _covered(label, place, taken) + MISLEADING * _misleads(label, target, beside),
        )
        _covered(label, best, taken)
        is_far = abs(best[1]) > NEAR or _misleads(label, target, beside)
        label.arrow_patch.set_visible(is_far)  # type: ignore[union-attr]
        taken.append(_box(label))


def _screen(label: "Annotation", x: float, y: float) -> Spot:
    """Return where a point of a label's axes is, in pixels."""
    to_screen = label.axes.transData  # type: ignore[union-attr]
    at = to_screen.transform((x, y))
    return float(at[0]), float(at[1])


def _mark(label: "Annotation", point: Point) -> "Bbox":
    """Return the box of a point and its interval."""
    from matplotlib.transforms import Bbox

    ends = (point.value if end is None else end for end in (point.low, point.high))
    (x, low), (_, high) = (_screen(label, point.x, end) for end in ends)
    return Bbox.from_extents(x - 3, low - 3, x + 3, high + 3)


def _misleads(label: "Annotation", target: Spot, spots: Sequence[Spot]) -> bool:
    """Tell whether a label is nearer to another point than to its target."""
    box = _box(label)

    def distance(spot: Spot) -> float:
        aside = max(box.x0 - spot[0], 0, spot[0] - box.x1)
        return hypot(aside, max(box.y0 - spot[1], 0, spot[1] - box.y1))

    return any(distance(spot) < distance(target) for spot in spots)


def _covered(label: "Annotation", place: Place, taken: "Sequence[Bbox]") -> float:
    """Move a label; return the area that it covers, plus its area outside the axes."""
    x, y = place
    label.set_position(place)
    label.set_horizontalalignment("left" if x > 0 else "right" if x else "center")
    label.set_verticalalignment("bottom" if y > 0 else "top" if y else "center")
    box = _box(label)
    frame = label.axes.get_window_extent()  # type: ignore[union-attr]
    inside = _shared(box, frame)
    return sum(_shared(box, other) for other in taken) + box.width * box.height - inside


def _box(label: "Annotation") -> "Bbox":
    """Return the box of a label's text, without its line."""
    from matplotlib.text import Text

    return Text.get_window_extent(label)


def _shared(first: "Bbox", second: "Bbox") -> float:
    """Return the area that two boxes share."""
    from matplotlib.transforms import Bbox

    box = Bbox.intersection(first, second)
    return 0.0 if box is None else float(box.width * box.height)
