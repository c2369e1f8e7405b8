"""One flow diagram: words down, layers to the right.

Left of a word are its bars: total influence, influence of its embedding and of its attention pattern.
Squares are inputs, circles embeddings; a skip connection is dashed, a head solid with its number (1..A);
colour is the sign of the word's total influence; width is an edge's weight. A run of unused words of a long
sentence is one row. All lengths here are inches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import copysign, floor, log10
from typing import Any

from ipgraph.cli.figures.legend import TINTS
from ipgraph.cli.figures.numbers import SIZE, Curve, Place, place_numbers
from ipgraph.cli.figures.pen import DASHES, Pen, Point, short, wrapped
from ipgraph.cli.figures.style import INK, RULE, SIGNS, SMALL
from ipgraph.queries.views.flow import Diagram, Edge
from ipgraph.queries.views.sentence import SKIP

EDGE, GAP, TITLE, LINE, FOOT = 0.05, 0.09, 0.08, 0.13, 0.3
"""Margin of the sheet; between columns; room around a title, height of its lines; height of the axes."""
ROW, BARS, LONGEST_LABEL = 0.19, 0.62, 0.95
"""From row to row; width of the bars; largest width of the words."""
NODE, BULGE = 0.036, 0.09
"""Radius of a node; distance between edges that join the same nodes."""
STEPS = (1, 1.5, 2, 3, 4, 5, 6, 8)
"""The round numbers that the bars' axis shows, times a power of ten."""
BELOW, EDGES, ABOVE, NUMBERS = 1, 2, 3, 4
"""The order of drawing: nodes that no edge meets, edges, the other nodes, heads' numbers."""


@dataclass(frozen=True, slots=True)
class Scales:
    """The measures that all panels share.

    `reach` is what the bars range over, `title_lines` how many lines the longest title has.
    """

    labels: float
    pitch: float
    layers: int
    reach: Point
    title_lines: int

    @property
    def head(self) -> float:
        """The height of a panel's title."""
        return TITLE + self.title_lines * LINE


@dataclass(frozen=True, slots=True)
class Panel:
    """A diagram at its place; `groups` are the positions that each row stands for."""

    pen: Pen
    scales: Scales
    diagram: Diagram
    letter: str
    left: float
    top: float
    groups: Sequence[range]

    def x(self, layer: int) -> float:
        """Return where a layer's nodes stand."""
        return self.left + self.scales.labels + BARS + 2 * GAP + NODE + layer * self.scales.pitch

    def y(self, row: float) -> float:
        """Return the middle of a row, counted as drawn."""
        return self.top + self.scales.head + (row + 0.5) * ROW

    def y_of(self, position: int) -> float:
        """Return the middle of the row that shows a position."""
        return self.y(next(row for row, group in enumerate(self.groups) if position in group))

    @property
    def layers(self) -> int:
        """The layers that the panel has: those of the other panels where it has no pattern."""
        return self.diagram.layers or self.scales.layers

    def shown(self) -> Iterator[int]:
        """Yield the positions that have their own row."""
        return (group.start for group in self.groups if len(group) == 1)

    def id(self, *parts: object) -> str:
        """Return an element's id in the SVG, such as `a-edge-1-2-2-skip-positive`: layer, rows, through."""
        return "-".join(map(str, (self.letter, *parts)))

    def draw(self, title: Sequence[str]) -> None:
        """Draw the panel: title, words, bars, edges, nodes."""
        for number, line in enumerate(title):
            place = (self.left, self.top + TITLE / 2 + (number + 0.5) * LINE)
            self.pen.text(place, line, fontweight="bold", gid=self.id("title", number))
        self._words()
        self._bars()
        left_out = self._edges()
        self._nodes()
        self._axis(left_out)
        if not self.diagram.edges:
            self._reason()

    def _words(self) -> None:
        for row, group in enumerate(self.groups):
            about = self.diagram.rows[group.start]
            is_folded = len(group) > 1
            text = f"… {len(group)} words" if is_folded else short(about.label, LONGEST_LABEL)
            look: dict[str, Any] = {
                "ha": "right",
                "fontstyle": "italic" if about.is_role or is_folded else "normal",
            }
            name = self.id("folded" if is_folded else "word", group.start)
            self.pen.text((self.left + self.scales.labels - EDGE, self.y(row)), text, gid=name, **look)

    def _bars(self) -> None:
        low, high = self.scales.reach
        start, scale = self.left + self.scales.labels + GAP / 2, BARS / (high - low)
        zero, height = start - low * scale, 0.8 * ROW / len(TINTS)
        for at in self.shown():
            for index, (value, tint) in enumerate(zip(self.diagram.rows[at].bars, TINTS, strict=True)):
                if value is not None:
                    corner = (zero, self.y_of(at) - 0.4 * ROW + index * height)
                    colour = SIGNS[1 if value >= 0 else -1]
                    self.pen.box(corner, (value * scale, height), colour, tint, gid=self.id("bar", at, index))
        self.pen.line([(zero, self.y(-0.5)), (zero, self.bottom)], 0.5, INK)
        for value in _ticks(low, high):
            place = zero + value * scale
            self.pen.line([(place, self.bottom), (place, self.bottom + 0.03)], 0.5, INK)
            self.pen.text((place, self.bottom + 0.09), f"{value:g}".replace("-", "−"), SMALL, ha="center")
        self.pen.text((start + BARS / 2, self.bottom + 0.2), self.diagram.measure, SMALL, ha="center")

    @property
    def bottom(self) -> float:
        """Where the axes lie."""
        return self.y(len(self.groups)) - 0.4 * ROW

    def _edges(self) -> int:
        """Draw the edges and the numbers of heads; return how many numbers had no room."""
        curves: list[Curve] = []
        for edge, aside in _asides(self.diagram.edges, self.scales.pitch / 2):
            curve = self._curve(edge, aside)
            self._edge(edge, curve)
            curves.append(curve)
        nodes = [(self.x(n), self.y_of(at)) for n in range(self.layers + 1) for at in self.shown()]
        places = place_numbers(curves, nodes, NODE)
        for index, place in enumerate(places):
            self._number(place, self.id("number", index))
        return sum(bool(curve.number) for curve in curves) - len(places)

    def _curve(self, edge: Edge, aside: float) -> Curve:
        start = (self.x(edge.start), self.y_of(edge.source))
        end = (self.x(edge.layer), self.y_of(edge.target))
        points = [start, end]
        if aside:
            across, down = end[0] - start[0], end[1] - start[1]
            length = (across**2 + down**2) ** 0.5
            middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
            points.insert(1, (middle[0] - 2 * aside * down / length, middle[1] + 2 * aside * across / length))
        number = "" if edge.through == SKIP else edge.through
        return Curve(points, self.pen.thickness(edge.weight) / 72, number, SIGNS[edge.sign])

    def _edge(self, edge: Edge, curve: Curve) -> None:
        sign = "positive" if edge.sign > 0 else "negative"
        name = self.id("edge", edge.layer, edge.source, edge.target, edge.through or "hop", sign)
        dashes = DASHES if self.diagram.is_dashed(edge) else "solid"
        look: dict[str, Any] = {"linestyle": dashes, "zorder": EDGES}
        self.pen.line(curve.points, self.pen.thickness(edge.weight), SIGNS[edge.sign], name, **look)

    def _number(self, place: Place, name: str) -> None:
        """Write a head's number, with a line to its edge where it stands beside it."""
        colour = place.curve.colour
        if place.anchor:
            self.pen.line([place.at, place.anchor], 0.3, colour, zorder=EDGES)
        back = {"facecolor": "white", "edgecolor": "none", "pad": 0.2}
        settings: dict[str, Any] = {"ha": "center", "bbox": back, "zorder": NUMBERS, "color": colour}
        self.pen.text(place.at, place.curve.number, SIZE, fontweight="bold", gid=name, **settings)

    def _reason(self) -> None:
        """Write why there is no edge."""
        lines = wrapped(self.diagram.empty, self.scales.layers * self.scales.pitch)
        middle = self.y(len(self.groups) / 2 - 0.5)
        back = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        for number, line in enumerate(lines):
            place = (
                self.x(0) + self.layers * self.scales.pitch / 2,
                middle + LINE * (number - (len(lines) - 1) / 2),
            )
            self.pen.text(place, line, ha="center", bbox=back, zorder=NUMBERS, gid=self.id("reason", number))

    def _nodes(self) -> None:
        starts, met = self.diagram.starts, self.diagram.met
        for at in self.shown():
            colour = SIGNS[min(starts[at])] if len(starts.get(at, ())) == 1 else INK if at in starts else RULE
            first, *later = self.diagram.layers_of(at) if self.diagram.layers else range(self.layers + 1)
            corner = (self.x(first) - NODE, self.y_of(at) - NODE)
            order = ABOVE if at in starts else BELOW
            self.pen.box(corner, (2 * NODE, 2 * NODE), colour, zorder=order, gid=self.id("input", at))
            for layer in later:
                self._node(layer, at, (layer, at) in met)
        end = (self.x(self.layers), self.y_of(self.diagram.target))
        self.pen.line([end, (end[0] + 0.12, end[1])], 0.8, INK, zorder=EDGES)
        self.pen.text((end[0] + 0.14, end[1]), "q", fontstyle="italic")

    def _node(self, layer: int, row: int, met: bool) -> None:
        is_target = (layer, row) == (self.layers, self.diagram.target)
        face, edge = (INK if is_target else "white", INK) if met else (RULE, RULE)
        radius = NODE if met else NODE / 2
        look: dict[str, Any] = {"facecolor": face, "edgecolor": edge, "linewidth": 0.7}
        place, order = (self.x(layer), self.y_of(row)), ABOVE if met else BELOW
        self.pen.circle(place, radius, zorder=order, gid=self.id("embedding", layer, row), **look)

    def _axis(self, left_out: int) -> None:
        for layer in range(self.layers + 1):
            self.pen.text((self.x(layer), self.bottom + 0.09), str(layer), SMALL, ha="center")
        middle = (self.x(0) + self.x(self.layers)) / 2
        label = f"layer ({left_out} head numbers: no room)" if left_out else "layer"
        self.pen.text((middle, self.bottom + 0.2), label, SMALL, ha="center")


def _asides(edges: Sequence[Edge], room: float) -> Iterator[tuple[Edge, float]]:
    """Yield each edge with how far it bulges, so that edges which join the same nodes lie apart."""
    for _, joined in groupby(edges, key=lambda e: (e.layer, e.source, e.target)):
        beside = sorted(joined, key=lambda e: (e.through != SKIP, e.through, e.sign))
        widest = 0.8 * ROW if beside[0].source == beside[0].target else room
        apart = min(BULGE, widest / max(1, len(beside) - 1))
        for index, edge in enumerate(beside):
            yield edge, (index - (len(beside) - 1) / 2) * apart


def _ticks(low: float, high: float) -> list[float]:
    """Return 0 and the greatest round number on each side, unless its label would touch that of 0."""
    ticks = [0.0]
    for side in (low, high):
        if side:
            power = 10.0 ** floor(log10(abs(side)))
            tick = copysign(max(step * power for step in STEPS if step * power <= abs(side)), side)
            ticks += [tick] if abs(tick) >= 0.28 * (high - low) else []
    return sorted(ticks)
