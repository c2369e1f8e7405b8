"""Sentences as coloured text: each token on the colour of its score, and a bar that explains the colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipgraph.cli.figures.pen import Pen, Point, extent, shade, short, wrapped
from ipgraph.cli.figures.style import INK, SMALL, TEXT, letter, styled
from ipgraph.queries.views.scored import Scored

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE, PAD, GAP, LINE, TITLE, BAR = 0.05, 0.04, 0.03, 0.2, 0.16, 0.34
"""Inches: margin; room in a token's box; between boxes; heights of a line, of a title's and of the bar."""
BAR_WIDTH, LEAST, STEPS = 1.4, 2.4, 28
"""Width of the colour bar, and the least of the figure; of how many boxes the bar is."""


@styled
def scored_texts(texts: Sequence[Scored], width: float | None = None) -> "Figure":
    """Return the figure of one or more texts, below each other, each with its own scale."""
    longest = max(sum(_width(token) + GAP for token in text.tokens) for text in texts)
    width = width or min(TEXT, max(longest, LEAST) + 2 * EDGE)
    letters = [letter(number) if len(texts) > 1 else "" for number in range(len(texts))]
    panels = [_Panel.fit(text, name, width - 2 * EDGE) for text, name in zip(texts, letters, strict=True)]
    pen, top = Pen.on(width, sum(panel.height for panel in panels) + 2 * EDGE, 1.0), EDGE
    for panel in panels:
        panel.draw(pen, top)
        top += panel.height
    return pen.axes.figure  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class _Panel:
    """A text as it fits a width: the lines of its title, and the positions of the tokens on each line."""

    text: Scored
    letter: str
    room: float
    title: list[str]
    lines: list[list[int]]

    @classmethod
    def fit(cls, text: Scored, name: str, room: float) -> "_Panel":
        title = wrapped((f"({name})  " if name else "") + text.title, room, is_bold=True)
        return cls(text, name or "a", room, title, _lines(text.tokens, room))

    @property
    def height(self) -> float:
        return len(self.title) * TITLE + len(self.lines) * LINE + BAR

    def draw(self, pen: Pen, top: float) -> None:
        for number, line in enumerate(self.title):
            place, name = (EDGE, top + (number + 0.5) * TITLE), f"{self.letter}-title-{number}"
            pen.text(place, line, fontweight="bold", gid=name)
        top += len(self.title) * TITLE
        for positions in self.lines:
            x = EDGE
            for position in positions:
                x += self._token(pen, position, (x, top)) + GAP
            top += LINE
        self._bar(pen, top)

    def _token(self, pen: Pen, position: int, corner: Point) -> float:
        """Draw a token on the colour of its score; return how wide it is."""
        (x, top), text = corner, short(self.text.tokens[position], self.room - 2 * PAD)
        colour, ink = shade(self.text.scores[position], self.text.greatest)
        wide = _width(text)
        pen.box((x, top + GAP / 2), (wide, LINE - GAP), colour, gid=f"{self.letter}-box-{position}")
        place, name = (x + wide / 2, top + LINE / 2), f"{self.letter}-token-{position}"
        pen.text(place, text, color=ink, ha="center", gid=name)
        return wide

    def _bar(self, pen: Pen, top: float) -> None:
        """Draw the colours from the least to the greatest score, with the numbers at their ends."""
        low, high = self.text.scale
        step, wide, middle = (high - low) / STEPS, BAR_WIDTH / STEPS, top + 0.12
        for number in range(STEPS):
            colour, _ = shade(low + (number + 0.5) * step, self.text.greatest)
            pen.box((EDGE + number * wide, middle - 0.03), (wide, 0.06), colour)
        for value, side in {0.0: "center", low: "left", high: "right"}.items():
            x = EDGE + BAR_WIDTH * (value - low) / ((high - low) or 1)
            pen.line([(x, middle + 0.03), (x, middle + 0.055)], 0.5, INK)
            pen.text((x, middle + 0.11), f"{value:.2g}".replace("-", "−"), SMALL, ha=side)
        pen.text((EDGE + BAR_WIDTH + 0.08, middle), "score", SMALL)


def _width(token: str) -> float:
    return extent(token) + 2 * PAD


def _lines(tokens: Sequence[str], room: float) -> list[list[int]]:
    """Return the positions of each line that fits."""
    lines: list[list[int]] = [[]]
    used = 0.0
    for position, token in enumerate(tokens):
        if lines[-1] and used + _width(token) > room:
            lines.append([])
            used = 0.0
        lines[-1].append(position)
        used += _width(token) + GAP
    return lines
