"""Drawing in inches: lines, boxes and text on axes without a frame, and the width of a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ipgraph.cli.figures.style import INK, NORMAL, SIGNS, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]

THIN, THICK = 0.5, 3.2
"""Widths, in points, of an edge of weight 0 and of the greatest weight."""
DASHES = (0, (2.2, 1.3))
DARK = 0.6
"""From which strength of a colour on text on it is white."""


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws on axes that measure inches from the top left corner."""

    axes: "Axes"
    greatest: float

    @classmethod
    def on(cls, width: float, height: float, greatest: float) -> "Pen":
        """Return the pen of a new sheet; an edge of the `greatest` weight is the thickest."""
        axes = sheet(width, height).add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        return cls(axes, greatest)

    def text(self, at: Point, text: str, size: float = NORMAL, **more: Any) -> None:
        """Write a text as it is, dollar signs included."""
        settings: dict[str, Any] = {"va": "center", "fontsize": size, "parse_math": False, **more}
        self.axes.text(*at, text, **settings)

    def line(
        self, points: Sequence[Point], width: float, colour: str, gid: str | None = None, **more: Any
    ) -> None:
        """Draw a straight line through two points, or a curve that the middle one of three pulls."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        codes = [Path.MOVETO, *([Path.LINETO] if len(points) == 2 else [Path.CURVE3] * 2)]
        settings: dict[str, Any] = {"facecolor": "none", "capstyle": "butt", "gid": gid, **more}
        self.axes.add_patch(PathPatch(Path(points, codes), edgecolor=colour, linewidth=width, **settings))

    def box(self, at: Point, size: Point, colour: str, alpha: float = 1.0, **more: Any) -> None:
        """Fill a box from its top left corner."""
        from matplotlib.patches import Rectangle

        settings: dict[str, Any] = {"linewidth": 0, "facecolor": tint(colour, alpha), **more}
        self.axes.add_patch(Rectangle(at, *size, **settings))

    def circle(self, at: Point, radius: float, **more: Any) -> None:
        """Draw a circle around a point."""
        from matplotlib.patches import Circle

        self.axes.add_patch(Circle(at, radius, **more))

    def thickness(self, weight: float) -> float:
        """Return the width in points of an edge of a weight."""
        return THIN + (THICK - THIN) * weight / self.greatest if self.greatest else THIN


def tint(colour: str, strength: float) -> str:
    """Return a colour such as #0072b2 mixed with white, opaque."""
    parts = (255 - strength * (255 - part) for part in bytes.fromhex(colour[1:]))
    return "#" + "".join(f"{round(part):02x}" for part in parts)


def shade(value: float, greatest: float) -> tuple[str, str]:
    """Return the colour of a value, white at 0 and that of its sign at `greatest`, and of text on it."""
    strength = abs(value) / greatest if greatest else 0.0
    return tint(SIGNS[1 if value >= 0 else -1], strength), "#ffffff" if strength > DARK else INK


def short(text: str, room: float, size: float = NORMAL, *, is_bold: bool = False) -> str:
    """Return as much of a text as fits."""
    if extent(text, size, is_bold=is_bold) <= room:
        return text
    cut = (text[:n] + "…" for n in range(len(text), 0, -1))
    return next((shorter for shorter in cut if extent(shorter, size, is_bold=is_bold) <= room), "…")


def wrapped(text: str, room: float, size: float = NORMAL, *, is_bold: bool = False) -> list[str]:
    """Return a text in lines that fit, broken at spaces; a word without room is cut."""
    lines: list[str] = []
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and extent(joined, size, is_bold=is_bold) <= room:
            lines[-1] = joined
        else:
            lines.append(short(word, room, size, is_bold=is_bold))
    return lines


@cache
def extent(text: str, size: float = NORMAL, *, is_bold: bool = False) -> float:
    """Return the width of a text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    font = FontProperties(family="DejaVu Sans", weight="bold" if is_bold else "normal")
    path = TextPath((0, 0), text.replace("$", "S"), size=size, prop=font)
    return float(path.get_extents().width) / 72
