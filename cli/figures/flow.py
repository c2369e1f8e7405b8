"""Flow diagrams after Figure 3 of Lu et al. (2021): words down, layers to the right, one panel per diagram.

Left of a word are its bars: total influence, influence of its embedding and of its attention pattern.
Squares are inputs, circles embeddings; a skip connection is dashed, a head solid with its number (1..A);
colour is the sign of the word's total influence; width is an edge's weight. All lengths here are inches.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import copysign, floor, log10
from typing import TYPE_CHECKING, Any

from ipgraph.cli.figures.legend import TINTS, draw_legend, legend_height
from ipgraph.cli.figures.pen import DASHES, Pen, Point, extent, short
from ipgraph.cli.figures.style import INK, RULE, SIGNS, SMALL, TEXT, letter, styled
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.queries.views.flow import Diagram, Edge
from ipgraph.queries.views.sentence import SKIP

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE, GAP, TITLE, FOOT = 0.05, 0.09, 0.2, 0.3
"""Margin of the sheet; between columns; heights of a panel's title and of its axes."""
PITCH, LEAST_PITCH, ROW = 0.3, 0.14, 0.19
"""From layer to layer (preferred, at least); from row to row."""
BARS, LONGEST_LABEL, OUTPUT, APART = 0.62, 0.95, 0.22, 0.12
"""Width of the bars, largest width of the words, width of the output's mark, room between panels."""
NODE, NUMBER, BULGE = 0.036, 0.085, 0.075
"""Radius of a node; room for a head's number; distance between edges that join the same nodes."""
BOLD = 1.15
"""How much wider bold text is."""
BELOW, EDGES, ABOVE, NUMBERS = 1, 2, 3, 4
"""The order of drawing: nodes that no edge meets, edges, the other nodes, heads' numbers."""
NUMBER_PLACES = (0.5, 0.4, 0.6, 0.32, 0.68, 0.25, 0.75)
"""Where along an edge its number may be, best first."""


@styled
def draw(diagrams: Sequence[Diagram], width: float | None = None) -> "Figure":
    """Return the figure of one or more diagrams, two side by side, on one scale; `width` is in inches.

    Raises UsageError if `width` is too narrow for the layers.
    """
    size = _Size.fit(diagrams, width)
    greatest = max((edge.weight for d in diagrams for edge in d.edges), default=1.0)
    pen = Pen.on(size.width, size.height(diagrams), greatest)
    reach = _reach(diagrams)
    top = EDGE
    for index in range(0, len(diagrams), size.columns):
        beside = diagrams[index : index + size.columns]
        for column, diagram in enumerate(beside):
            left = EDGE + column * (size.panel + APART)
            panel = _Panel(pen, size, diagram, letter(index + column), left, top, reach)
            panel.draw(with_letter=len(diagrams) > 1)
        top += max(_panel_height(d) for d in beside)
    draw_legend(pen, diagrams, (EDGE, top), size.width - 2 * EDGE)
    return pen.axes.figure  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class _Size:
    """The measures that all panels share; `panel` is the width of one, without the room to the next."""

    columns: int
    labels: float
    pitch: float
    panel: float

    @classmethod
    def fit(cls, diagrams: Sequence[Diagram], width: float | None) -> "_Size":
        """Return the sizes at which the diagrams fill a width; raises UsageError if it is too narrow."""
        columns = min(2, len(diagrams))
        labels = max(extent(short(row.label, LONGEST_LABEL)) for d in diagrams for row in d.rows) + EDGE
        layers = max(max(d.layers for d in diagrams), 1)
        fixed = labels + BARS + 2 * GAP + NODE + OUTPUT
        around = 2 * EDGE + (columns - 1) * APART
        pitch = (((width or TEXT) - around) / columns - fixed) / layers
        if width is None:
            pitch = max(LEAST_PITCH, min(PITCH, pitch))
        elif pitch < LEAST_PITCH:
            least = around + columns * (fixed + layers * LEAST_PITCH)
            raise UsageError(
                f"this figure needs a width of at least {least:.1f} inches; --width is {width:g}"
            )
        return cls(columns, labels, pitch, fixed + layers * pitch)

    @property
    def width(self) -> float:
        return 2 * EDGE + self.columns * self.panel + (self.columns - 1) * APART

    def height(self, diagrams: Sequence[Diagram]) -> float:
        rows = [diagrams[i : i + self.columns] for i in range(0, len(diagrams), self.columns)]
        legend = legend_height(diagrams, self.width - 2 * EDGE)
        return 2 * EDGE + sum(max(map(_panel_height, row)) for row in rows) + legend


def _panel_height(diagram: Diagram) -> float:
    return TITLE + len(diagram.rows) * ROW + FOOT


@dataclass(frozen=True, slots=True)
class _Panel:
    pen: Pen
    size: _Size
    diagram: Diagram
    letter: str
    left: float
    top: float
    reach: Point

    def x(self, layer: int) -> float:
        return self.left + self.size.labels + BARS + 2 * GAP + NODE + layer * self.size.pitch

    def y(self, row: int) -> float:
        return self.top + TITLE + (row + 0.5) * ROW

    def id(self, *parts: object) -> str:
        """Return an element's id in the SVG, such as `a-edge-1-2-2-skip-positive`: layer, rows, through."""
        return "-".join(map(str, (self.letter, *parts)))

    def draw(self, *, with_letter: bool) -> None:
        """Draw the panel: title, words, bars, edges, nodes."""
        start = f"({self.letter})  " if with_letter else ""
        title = short(start + self.diagram.title, self.size.panel / BOLD)
        self.pen.text((self.left, self.top + TITLE / 2), title, fontweight="bold")
        self._words()
        self._bars()
        self._edges()
        self._nodes()
        self._axis()

    def _words(self) -> None:
        for at, row in enumerate(self.diagram.rows):
            style = "italic" if row.is_role else "normal"
            place = (self.left + self.size.labels - EDGE, self.y(at))
            self.pen.text(
                place, short(row.label, LONGEST_LABEL), ha="right", fontstyle=style, gid=self.id("word", at)
            )

    def _bars(self) -> None:
        low, high = self.reach
        start, scale = self.left + self.size.labels + GAP / 2, BARS / (high - low)
        zero, height = start - low * scale, 0.8 * ROW / len(TINTS)
        for at, row in enumerate(self.diagram.rows):
            for index, (value, tint) in enumerate(zip(row.bars, TINTS, strict=True)):
                if value is not None:
                    corner = (zero, self.y(at) - 0.4 * ROW + index * height)
                    colour = SIGNS[1 if value >= 0 else -1]
                    self.pen.box(corner, (value * scale, height), colour, tint, gid=self.id("bar", at, index))
        bottom = self.y(len(self.diagram.rows)) - 0.4 * ROW
        self.pen.line([(zero, self.top + TITLE), (zero, bottom)], 0.5, INK)
        for value in _ticks(low, high):
            place = zero + value * scale
            self.pen.line([(place, bottom), (place, bottom + 0.03)], 0.5, INK)
            self.pen.text((place, bottom + 0.09), f"{value:g}".replace("-", "−"), SMALL, ha="center")
        self.pen.text((start + BARS / 2, bottom + 0.2), "influence", SMALL, ha="center")

    def _edges(self) -> None:
        numbers: list[Point] = []
        for _, joined in groupby(self.diagram.edges, key=lambda e: (e.layer, e.source, e.target)):
            beside = sorted(joined, key=lambda e: (e.through != SKIP, e.through, e.sign))
            room = 0.8 * ROW if beside[0].source == beside[0].target else self.size.pitch / 2
            apart = min(BULGE, room / max(1, len(beside) - 1))
            for index, edge in enumerate(beside):
                points = self._points(edge, (index - (len(beside) - 1) / 2) * apart)
                self._edge(edge, points)
                if edge.through not in ("", SKIP):
                    numbers.append(self._number(edge, points, numbers))

    def _points(self, edge: Edge, aside: float) -> list[Point]:
        start = (self.x(edge.layer - 1), self.y(edge.source))
        end = (self.x(edge.layer), self.y(edge.target))
        if not aside:
            return [start, end]
        across, down = end[0] - start[0], end[1] - start[1]
        length = (across**2 + down**2) ** 0.5
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        return [start, (middle[0] - 2 * aside * down / length, middle[1] + 2 * aside * across / length), end]

    def _edge(self, edge: Edge, points: list[Point]) -> None:
        sign = "positive" if edge.sign > 0 else "negative"
        name = self.id("edge", edge.layer, edge.source, edge.target, edge.through or "hop", sign)
        dashes = DASHES if edge.through == SKIP else "solid"
        width = self.pen.thickness(edge.weight)
        self.pen.line(points, width, SIGNS[edge.sign], name, linestyle=dashes, zorder=EDGES)

    def _number(self, edge: Edge, points: list[Point], placed: list[Point]) -> Point:
        """Write a head's number on its edge: at a free place, else as far as possible from other numbers."""
        places = [_along(points, share) for share in NUMBER_PLACES]
        free = (p for p in places if _distance(p, placed) >= NUMBER)
        place = next(free, None) or max(places, key=lambda p: _distance(p, placed))
        back = {"facecolor": "white", "edgecolor": "none", "pad": 0.35}
        settings = {"ha": "center", "bbox": back, "zorder": NUMBERS, "color": SIGNS[edge.sign]}
        self.pen.text(place, edge.through, SMALL - 0.5, fontweight="bold", **settings)
        return place

    def _nodes(self) -> None:
        starts, met = self.diagram.starts, self.diagram.met
        for at in range(len(self.diagram.rows)):
            colour = SIGNS[min(starts[at])] if len(starts.get(at, ())) == 1 else INK if at in starts else RULE
            corner = (self.x(0) - NODE, self.y(at) - NODE)
            order = ABOVE if at in starts else BELOW
            self.pen.box(corner, (2 * NODE, 2 * NODE), colour, zorder=order, gid=self.id("input", at))
            for layer in range(1, self.diagram.layers + 1):
                self._node(layer, at, (layer, at) in met)
        end = (self.x(self.diagram.layers), self.y(self.diagram.target))
        self.pen.line([end, (end[0] + 0.12, end[1])], 0.8, INK, zorder=EDGES)
        self.pen.text((end[0] + 0.14, end[1]), "q", fontstyle="italic")

    def _node(self, layer: int, row: int, met: bool) -> None:
        is_target = (layer, row) == (self.diagram.layers, self.diagram.target)
        face, edge = (INK if is_target else "white", INK) if met else (RULE, RULE)
        radius = NODE if met else NODE / 2
        look: dict[str, Any] = {"facecolor": face, "edgecolor": edge, "linewidth": 0.7}
        place, order = (self.x(layer), self.y(row)), ABOVE if met else BELOW
        self.pen.circle(place, radius, zorder=order, gid=self.id("embedding", layer, row), **look)

    def _axis(self) -> None:
        bottom = self.y(len(self.diagram.rows)) - 0.4 * ROW
        for layer in range(self.diagram.layers + 1):
            self.pen.text((self.x(layer), bottom + 0.09), str(layer), SMALL, ha="center")
        middle = (self.x(0) + self.x(self.diagram.layers)) / 2
        self.pen.text((middle, bottom + 0.2), "layer", SMALL, ha="center")


def _along(points: Sequence[Point], share: float) -> Point:
    """Return the point at a share of a line's, or quadratic curve's, parameter."""
    first, last = points[0], points[-1]
    middle = points[1] if len(points) == 3 else ((first[0] + last[0]) / 2, (first[1] + last[1]) / 2)
    a, b, c = (1 - share) ** 2, 2 * share * (1 - share), share**2
    return a * first[0] + b * middle[0] + c * last[0], a * first[1] + b * middle[1] + c * last[1]


def _distance(point: Point, others: Iterable[Point]) -> float:
    return min((max(abs(point[0] - x), abs(point[1] - y)) for x, y in others), default=float("inf"))


def _reach(diagrams: Sequence[Diagram]) -> Point:
    values = [value for d in diagrams for row in d.rows for value in row.bars if value is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    return (low, high) if high > low else (0.0, 1.0)


def _ticks(low: float, high: float) -> list[float]:
    """Return 0 and the greatest round number on each side, unless its label would touch that of 0."""
    ticks = [0.0]
    for side in (low, high):
        if side:
            power = 10.0 ** floor(log10(abs(side)))
            tick = copysign(max(step * power for step in (1, 2, 5) if step * power <= abs(side)), side)
            ticks += [tick] if abs(tick) >= 0.28 * (high - low) else []
    return sorted(ticks)
