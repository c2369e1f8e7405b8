"""Cells coloured by their values, with the numbers where there is room, and the bar that explains them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ipgraph.cli.figures.pen import DARK
from ipgraph.cli.figures.style import INK, SCALE, SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

CELL_WITH_NUMBER = 0.17
"""Least width in inches of a cell that shows its number."""


def draw_cells(
    axes: "Axes", values: Sequence[Sequence[float]], scale: "Normalize", name: str, *, with_numbers: bool
) -> None:
    """Draw a matrix of cells around whole coordinates from 1, its numbers in hundredths.

    `name` begins the ids of the numbers in the SVG, such as `a-head-2-1`: row, column.
    """
    rows, columns = len(values), len(values[0])
    edges_x, edges_y = [n + 0.5 for n in range(columns + 1)], [n + 0.5 for n in range(rows + 1)]
    axes.pcolormesh(edges_x, edges_y, values, cmap=SCALE, norm=scale, edgecolors="white", linewidth=0.5)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": SMALL - 1}
    for row, line in enumerate(values, 1):
        for column, value in enumerate(line, 1):
            if with_numbers and round(100 * value):
                ink, gid = "white" if scale(value) > DARK else INK, f"{name}-{row}-{column}"
                axes.text(column, row, f"{100 * value:.0f}", color=ink, gid=gid, **look)


def scale_to(greatest: float) -> "Normalize":
    """Return the scale from 0 to a value, or to 1 where that is 0."""
    from matplotlib.colors import Normalize

    return Normalize(0, greatest or 1)


def colour_bar(figure: "Figure", axes: "Sequence[Axes]", scale: "Normalize", label: str) -> Any:
    """Draw the bar of a scale to the right of axes; return it."""
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(scale, SCALE), ax=list(axes), pad=0.02, aspect=16)
    if bar.solids is not None:
        bar.solids.set(rasterized=False, edgecolor="face")
    bar.outline.set_linewidth(0.4)
    bar.set_label(label)
    return bar
