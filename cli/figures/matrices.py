"""Layer matrices as heat maps: destinations in rows, sources in columns, all on one scale."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ipgraph.cli.figures.cells import CELL_WITH_NUMBER, colour_bar, draw_cells, scale_to
from ipgraph.cli.figures.pen import extent, short, wrapped
from ipgraph.cli.figures.plots import columns_in
from ipgraph.cli.figures.style import SMALL, TEXT, letter, sheet, styled
from ipgraph.queries.views.layers import LayerMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDEST, LEAST = 0.21, 0.1
"""Widest and narrowest cell; in a narrower one tokens are not readable."""
LONGEST_LABEL, BESIDE, SCALE_ROOM, TITLE = 0.95, 0.3, 0.55, 0.2
"""Inches: the widest token, the room beside tokens and for the colour scale, and the height of a title."""


@styled
def matrices(maps: Sequence[LayerMap], width: float | None = None) -> "Figure":
    """Return one heat map per matrix; numbers, where cells have room, are hundredths.

    Raises UsageError if `width` is too narrow for one map, with the width that would do.
    """
    labels = max(extent(_label(t), SMALL) for m in maps for t in (*m.destinations, *m.sources)) + BESIDE
    rows, columns = (max(m.values.shape[axis] for m in maps) for axis in (0, 1))
    natural, least = (SCALE_ROOM + n * (labels + columns * c) for n, c in ((len(maps), WIDEST), (1, LEAST)))
    width = width or min(natural, max(least, TEXT))
    beside = columns_in(width - SCALE_ROOM, len(maps), labels + columns * LEAST, beside=SCALE_ROOM)
    cell = min(WIDEST, ((width - SCALE_ROOM) / beside - labels) / columns)
    titles = [wrapped(m.title, columns * cell + labels - BESIDE) for m in maps]
    lines = -(-len(maps) // beside)
    figure = sheet(width, lines * (rows * cell + labels + TITLE * max(map(len, titles))))
    panels = list(figure.subplots(lines, beside, squeeze=False).flat)
    scale = scale_to(max(float(m.values.max()) for m in maps))
    for number, (axes, drawn, title) in enumerate(zip(panels, maps, titles, strict=False)):
        name = f"{letter(number)}-cell"
        draw_cells(axes, drawn.values.tolist(), scale, name, with_numbers=cell >= CELL_WITH_NUMBER)
        axes.set_title("\n".join(title), parse_math=False)
        _name_cells(axes, drawn)
    for axes in panels[len(maps) :]:
        axes.set_axis_off()
    colour_bar(figure, panels, scale, "share of the destination")
    figure.set_layout_engine("constrained")
    return figure


def _name_cells(axes: "Axes", drawn: LayerMap) -> None:
    """Write the tokens beside and below a matrix, the first destination at the top."""
    axes.set_xticks(
        range(1, len(drawn.sources) + 1), [*map(_label, drawn.sources)], rotation=90, parse_math=False
    )
    axes.set_yticks(
        range(1, len(drawn.destinations) + 1), [*map(_label, drawn.destinations)], parse_math=False
    )
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set(xlabel="source", ylabel="destination")


def _label(token: str) -> str:
    return short(token, LONGEST_LABEL, SMALL)
