"""The legend below flow diagrams, which explains what occurs in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ipgraph.cli.figures.pen import DASHES, Pen, Point, extent, short
from ipgraph.cli.figures.style import FAINT, INK, SIGNS, SMALL
from ipgraph.queries.views.flow import Diagram

LINE, MARK, APART = 0.17, 0.26, 0.1
"""Inches: height of a line; width of a mark; room between entries."""
LONGEST = 2.5
"""The widest name of a sign."""
WIDTHS = {"influence": "|I|", "mean": "share × mean |I|", "difference": "difference", "flow": "flow"}
TINTS = (1.0, 0.62, 0.32)
"""Strengths of colour of a word's bars."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of the legend."""

    mark: str
    text: str

    @property
    def width(self) -> float:
        return MARK + extent(self.text, SMALL) + APART


def _entries(diagrams: Sequence[Diagram]) -> Iterator[_Entry]:
    edges = [edge for d in diagrams for edge in d.edges]
    marks = ("positive", "cut" if diagrams[0].weight == "flow" else "negative")
    for mark, name in zip(marks, diagrams[0].signs, strict=True):
        yield _Entry(mark, short(name, LONGEST, SMALL))
    if any(edge.through for edge in edges):
        yield from (_Entry("head", "head (number)"), _Entry("skip", "skip"))
    if edges:
        greatest = max(edge.weight for edge in edges)
        yield _Entry("width", f"{WIDTHS[diagrams[0].weight]} = {greatest:.2g}")
    for index, name in enumerate(diagrams[0].bar_names):
        if any(row.bars[index] is not None for d in diagrams for row in d.rows):
            yield _Entry(f"bar{index}", name)


def legend_height(diagrams: Sequence[Diagram], width: float) -> float:
    """Return the height in inches of a legend that is `width` inches wide."""
    return len(_lines(diagrams, width)) * LINE


def draw_legend(pen: Pen, diagrams: Sequence[Diagram], corner: Point, width: float) -> None:
    """Draw the legend of diagrams from its top left corner."""
    for number, line in enumerate(_lines(diagrams, width)):
        x, y = corner[0], corner[1] + (number + 0.5) * LINE
        for entry in line:
            _mark(pen, entry.mark, x, y)
            pen.text((x + MARK, y), entry.text, SMALL)
            x += entry.width


def _lines(diagrams: Sequence[Diagram], width: float) -> list[list[_Entry]]:
    lines: list[list[_Entry]] = [[]]
    for entry in _entries(diagrams):
        if sum(e.width for e in lines[-1]) + entry.width - APART > width and lines[-1]:
            lines.append([])
        lines[-1].append(entry)
    return lines


def _mark(pen: Pen, mark: str, x: float, y: float) -> None:
    ends = [(x, y), (x + 0.21, y)]
    if mark.startswith("bar"):
        pen.box((x, y - 0.03), (0.21, 0.06), INK, TINTS[int(mark[3:])])
    elif mark in ("positive", "negative"):
        pen.line(ends, 2.0, SIGNS[1 if mark == "positive" else -1])
    elif mark == "cut":
        pen.line(ends, 2.0, SIGNS[-1], linestyle=DASHES)
    elif mark == "width":
        pen.line(ends, pen.thickness(pen.greatest), FAINT)
    else:
        pen.line(ends, 1.0, INK, linestyle=DASHES if mark == "skip" else "solid")
