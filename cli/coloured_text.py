"""A sentence in the terminal, each token on the colour of its score, and the scale of the colours."""

from typing import TYPE_CHECKING

from ipgraph.cli.figures.pen import shade
from ipgraph.queries.views.scored import Scored

if TYPE_CHECKING:
    from rich.text import Text

STEPS = 20
"""How many columns the scale is wide."""


def coloured(scored: Scored) -> "Text":
    """Return the tokens on their colours, and below them the scale; without colours it is plain text."""
    from rich.text import Text

    tokens = [
        (token, style(score, scored)) for token, score in zip(scored.tokens, scored.scores, strict=True)
    ]
    text = Text(" ").join(Text(token, style=look) for token, look in tokens)
    low, high = scored.scale
    steps = [low + (number + 0.5) * (high - low) / STEPS for number in range(STEPS)]
    scale = [(" ", style(value, scored)) for value in steps]
    return Text.assemble(text, f"\n{low:.3g} ", *scale, f" {high:.3g}\n")


def style(score: float, scored: Scored) -> str:
    """Return rich's style of a score's colour."""
    colour, ink = shade(score, scored.greatest)
    return f"{ink} on {colour}"
