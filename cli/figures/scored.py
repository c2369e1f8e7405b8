"""Sentences as coloured text: each token on the colour of its score, and a bar that explains the colours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ipgraph.cli.figures.pen import Pen, extent, shade, short, wrapped
from ipgraph.cli.figures.style import INK, SMALL, TEXT, letter, styled
from ipgraph.queries.views.scored import Scored

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EDGE, PAD, GAP, LINE, TITLE, BAR = 0.05, 0.04, 0.03, 0.2, 0.16, 0.34
"""Inches: margin; room in a token's box; between boxes; heights of a line, of a title's and of the bar."""
BAR_WIDTH, STEPS = 1.4, 28
"""Width of the colour bar, and of how many boxes it is."""


@styled
def scored_texts(texts: Sequence[Scored], width: float | None = None) -> "Figure":
    """Return the figure of one or more texts, below each other, each with its own scale."""
    longest = max(_natural(text) for text in texts)
    width = width or min(TEXT, max(longest, BAR_WIDTH + 1.0) + 2 * EDGE)
    room = width - 2 * EDGE
    titles = [wrapped(_title(texts, n), room, is_bold=True) for n in range(len(texts))]
    lines = [_lines(text.tokens, room) for text in texts]
    heights = [len(t) * TITLE + len(ls) * LINE + BAR for t, ls in zip(titles, lines, strict=True)]
    pen, top = Pen.on(width, sum(heights) + 2 * EDGE, 1.0), EDGE
    for number, text in enumerate(texts):
        _draw(pen, text, titles[number], lines[number], letter(number), top, room)
        top += heights[number]
    return pen.axes.figure  # type: ignore[return-value]


def _title(texts: Sequence[Scored], number: int) -> str:
    return (f"({letter(number)})  " if len(texts) > 1 else "") + texts[number].title


def _natural(text: Scored) -> float:
    return sum(_width(token) + GAP for token in text.tokens)


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


def _draw(
    pen: Pen,
    text: Scored,
    title: Sequence[str],
    lines: Sequence[Sequence[int]],
    panel: str,
    top: float,
    room: float,
) -> None:
    for number, line in enumerate(title):
        pen.text((EDGE, top + (number + 0.5) * TITLE), line, fontweight="bold", gid=f"{panel}-title-{number}")
    top += len(title) * TITLE
    for line in lines:
        x = EDGE
        for position in line:
            wide = min(_width(text.tokens[position]), room)
            colour, ink = shade(text.scores[position], text.greatest)
            pen.box((x, top + GAP / 2), (wide, LINE - GAP), colour, gid=f"{panel}-box-{position}")
            token, place = short(text.tokens[position], room - 2 * PAD), (x + wide / 2, top + LINE / 2)
            pen.text(place, token, color=ink, ha="center", gid=f"{panel}-token-{position}")
            x += wide + GAP
        top += LINE
    _bar(pen, text, top)


def _bar(pen: Pen, text: Scored, top: float) -> None:
    """Draw the colours from the least to the greatest score, with the numbers at their ends."""
    low, high = text.scale
    step, middle = (high - low) / STEPS, top + 0.12
    for number in range(STEPS):
        colour, _ = shade(low + (number + 0.5) * step, text.greatest)
        pen.box((EDGE + number * BAR_WIDTH / STEPS, middle - 0.03), (BAR_WIDTH / STEPS, 0.06), colour)
    for value in {low, 0.0, high}:
        x = EDGE + BAR_WIDTH * (value - low) / ((high - low) or 1)
        pen.line([(x, middle + 0.03), (x, middle + 0.055)], 0.5, INK)
        side = "left" if value == low else "right" if value == high else "center"
        pen.text((x, middle + 0.11), f"{value:.2g}".replace("-", "−"), SMALL, ha=side)
    pen.text((EDGE + BAR_WIDTH + 0.08, middle), "score", SMALL)
