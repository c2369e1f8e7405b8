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

    text = Text()
    for token, score in zip(scored.tokens, scored.scores, strict=True):
        colour, ink = shade(score, scored.greatest)
        text.append(token, f"{ink} on {colour}").append(" ")
    text.rstrip()
    low, high = scored.scale
    text.append(f"\n{low:.3g} ")
    for number in range(STEPS):
        colour, _ = shade(low + (number + 0.5) * (high - low) / STEPS, scored.greatest)
        text.append("─", f"{colour} on {colour}")
    return text.append(f" {high:.3g}\n")
