"""Flow diagrams after Figure 3 of Lu et al. (2021): one panel per diagram, all on one scale, and a legend.

Panels stand two side by side where the width allows, else below each other. All lengths here are inches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from ipgraph.cli.figures.legend import draw_legend, legend_height
from ipgraph.cli.figures.panel import BARS, EDGE, FOOT, GAP, LONGEST_LABEL, NODE, ROW, Panel, Scales
from ipgraph.cli.figures.pen import Pen, Point, extent, short, wrapped
from ipgraph.cli.figures.style import SMALL, TEXT, letter, styled
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.queries.views.flow import Diagram
from ipgraph.queries.views.folding import folded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PITCH, LEAST_PITCH = 0.3, 0.16
"""From layer to layer: preferred, and the least at which a head's number is readable."""
OUTPUT, APART, NOTE = 0.22, 0.12, 0.12
"""Width of the output's mark; room between panels; height of a line of notes."""


@styled
def draw(diagrams: Sequence[Diagram], width: float | None = None) -> "Figure":
    """Return the figure of one or more diagrams on one scale; `width` is in inches.

    Raises UsageError if `width` is too narrow for one panel, with the width that would do.
    """
    sheet = _Sheet.fit(diagrams, width)
    greatest = max((edge.weight for d in diagrams for edge in d.edges), default=1.0)
    pen = Pen.on(sheet.width, sheet.height, greatest)
    top = EDGE
    for index in range(0, len(diagrams), sheet.columns):
        beside = diagrams[index : index + sheet.columns]
        for column, diagram in enumerate(beside):
            left = EDGE + column * (sheet.panel + APART)
            name, title = letter(index + column), sheet.titles[index + column]
            Panel(pen, sheet.scales, diagram, name, left, top, sheet.groups[len(diagram.rows)]).draw(title)
        top += sheet.panel_height(index)
    draw_legend(pen, diagrams, (EDGE, top), sheet.inner)
    for number, line in enumerate(sheet.notes):
        place = (EDGE, top + legend_height(diagrams, sheet.inner) + (number + 0.5) * NOTE)
        pen.text(place, line, SMALL)
    return pen.axes.figure  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Where the panels and texts of a figure go; `panel` is the width of one panel."""

    diagrams: Sequence[Diagram]
    columns: int
    panel: float
    scales: Scales
    groups: dict[int, list[range]]
    titles: list[list[str]]
    notes: list[str]

    @classmethod
    def fit(cls, diagrams: Sequence[Diagram], width: float | None) -> "_Sheet":
        """Return the layout that fills a width; raises UsageError if it is too narrow."""
        labels = max(extent(short(row.label, LONGEST_LABEL)) for d in diagrams for row in d.rows) + EDGE
        groups = _groups(diagrams)
        if any(len(group) > 1 for parts in groups.values() for group in parts):
            labels = max(labels, LONGEST_LABEL * 0.8)
        layers = max(1, *(d.layers for d in diagrams))
        fixed = labels + BARS + 2 * GAP + NODE + OUTPUT
        columns, pitch = _columns(len(diagrams), fixed, layers, width)
        panel = fixed + layers * pitch
        named = [(f"({letter(n)})  " if len(diagrams) > 1 else "") + d.title for n, d in enumerate(diagrams)]
        titles = [wrapped(name, panel, is_bold=True) for name in named]
        scales = Scales(labels, pitch, layers, _reach(diagrams), max(map(len, titles)))
        inner = columns * panel + (columns - 1) * APART
        texts = dict.fromkeys(d.note for d in diagrams if d.note)
        notes = [line for text in texts for line in wrapped(text, inner, SMALL)]
        return cls(diagrams, columns, panel, scales, groups, titles, notes)

    @property
    def inner(self) -> float:
        return self.columns * self.panel + (self.columns - 1) * APART

    @property
    def width(self) -> float:
        return 2 * EDGE + self.inner

    @property
    def height(self) -> float:
        panels = sum(map(self.panel_height, range(0, len(self.diagrams), self.columns)))
        legend = legend_height(self.diagrams, self.inner)
        return 2 * EDGE + panels + legend + len(self.notes) * NOTE

    def panel_height(self, first: int) -> float:
        """Return the height of the panels that stand beside each other from the first of them."""
        beside = self.diagrams[first : first + self.columns]
        return self.scales.head + max(len(self.groups[len(d.rows)]) for d in beside) * ROW + FOOT


def _columns(count: int, fixed: float, layers: int, width: float | None) -> tuple[int, float]:
    """Return how many panels stand side by side, and the distance between layers."""
    pitches = {n: ((width or TEXT) - 2 * EDGE - (n - 1) * APART) / n for n in (min(2, count), 1)}
    for columns, room in pitches.items():
        if (pitch := (room - fixed) / layers) >= LEAST_PITCH:
            return columns, pitch if width else min(PITCH, pitch)
    least = 2 * EDGE + fixed + layers * LEAST_PITCH
    if width:
        needed = ceil(10 * least - 1e-9) / 10
        raise UsageError(f"this figure needs a width of at least {needed:.1f} inches, not {width:g}")
    return 1, LEAST_PITCH


def _groups(diagrams: Sequence[Diagram]) -> dict[int, list[range]]:
    """Return how sentences of each length are folded: alike in all panels."""
    used: dict[int, set[int]] = {}
    for diagram in diagrams:
        rows = used.setdefault(len(diagram.rows), set())
        rows |= {row for _, row in diagram.met} | {diagram.target}
    return {count: folded(count, rows) for count, rows in used.items()}


def _reach(diagrams: Sequence[Diagram]) -> Point:
    values = [value for d in diagrams for row in d.rows for value in row.bars if value is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    return (low, high) if high > low else (0.0, 1.0)
