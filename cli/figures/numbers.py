"""Where the numbers of heads go in a flow diagram: on their own edge, never on another edge, node or number.

A number that finds no such place on its edge stands at the nearest free place beside it, joined by a thin
line; where none is free, it is left out. All lengths are inches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import hypot
from typing import TYPE_CHECKING

from ipgraph.cli.figures.pen import Point, extent

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 5.5
"""Font size in points."""
HALF = 0.04
"""Half the height of a number."""
CLEAR = 0.02
"""Room around a number."""
SHARES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.2, 0.8, 0.14, 0.86)
"""Where along an edge its number may be, best first."""
STEP = 0.03
"""How far apart the places beside an edge are."""
SAMPLES = 96
"""How many points stand for an edge."""


@dataclass(frozen=True, slots=True)
class Curve:
    """An edge as drawn: two ends, or three points of which the middle one pulls, and its width."""

    points: Sequence[Point]
    width: float
    number: str = ""
    colour: str = ""

    def at(self, share: float) -> Point:
        """Return the point at a share of the curve's parameter."""
        first, last = self.points[0], self.points[-1]
        half = (first[0] + last[0]) / 2, (first[1] + last[1]) / 2
        middle = self.points[1] if len(self.points) == 3 else half
        a, b, c = (1 - share) ** 2, 2 * share * (1 - share), share**2
        return a * first[0] + b * middle[0] + c * last[0], a * first[1] + b * middle[1] + c * last[1]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the number of a curve is written; `anchor` is the point of the curve that it is joined to."""

    curve: Curve
    at: Point
    anchor: Point | None = None


def half_width(number: str) -> float:
    """Return half the width of a number."""
    return extent(number, SIZE, is_bold=True) / 2


def place_numbers(curves: Sequence[Curve], nodes: Sequence[Point], radius: float) -> list[Place]:
    """Return the places of the numbers that have room; curves and nodes are all that is drawn around them."""
    obstacles = _Obstacles(curves, nodes, radius)
    found = (obstacles.place(index) for index, curve in enumerate(curves) if curve.number)
    return [place for place in found if place]


class _Obstacles:
    """What numbers must not cover: points along curves, nodes, and the numbers placed so far."""

    def __init__(self, curves: Sequence[Curve], nodes: Sequence[Point], radius: float) -> None:
        import numpy as np

        shares = [n / (SAMPLES - 1) for n in range(SAMPLES)]
        along = [(*c.at(share), c.width / 2, index) for index, c in enumerate(curves) for share in shares]
        around = [(x, y, radius, -1) for x, y in nodes]
        self.curves = curves
        self.points: NDArray[np.float64] = np.array([*along, *around], dtype=float).reshape(-1, 4)
        self.boxes: list[tuple[float, float, float]] = []
        xs, ys = zip(*nodes, strict=True)
        self.columns = np.arange(min(xs), max(xs), STEP)
        self.rows = np.arange(min(ys) - 2 * HALF, max(ys) + 2 * HALF, STEP)
        self.empty: dict[float, list[Point]] = {}

    def place(self, index: int) -> Place | None:
        """Return the place of a curve's number, which is then taken; None where none is free."""
        curve = self.curves[index]
        wide = half_width(curve.number)
        places = chain(self._on(curve, wide, index), self._beside(curve, wide))
        free = (place for place in places if not self._is_taken(place.at, wide))
        place = next(free, None)
        if place:
            self.boxes.append((*place.at, wide))
        return place

    def _on(self, curve: Curve, wide: float, index: int) -> Iterator[Place]:
        """Yield the places on a curve where a number covers nothing else."""
        others = self.points[self.points[:, 3] != index]
        for at in map(curve.at, SHARES):
            near = (abs(others[:, 0] - at[0]) < wide + CLEAR + others[:, 2]) & (
                abs(others[:, 1] - at[1]) < HALF + CLEAR + others[:, 2]
            )
            if not near.any():
                yield Place(curve, at)

    def _beside(self, curve: Curve, wide: float) -> Iterator[Place]:
        """Yield the places where a number covers nothing at all, nearest to the curve's middle first."""
        if wide not in self.empty:
            self.empty[wide] = self._empty(wide)
        middle, anchors = curve.at(0.5), [curve.at(share) for share in SHARES]
        for at in sorted(self.empty[wide], key=lambda p: hypot(p[0] - middle[0], p[1] - middle[1])):
            yield Place(curve, at, min(anchors, key=lambda p: hypot(p[0] - at[0], p[1] - at[1])))

    def _empty(self, wide: float) -> list[Point]:
        """Return the points of a grid where a number of a half width covers no curve and no node."""
        reach = self.points[:, 2] + CLEAR
        in_row = abs(self.rows[:, None] - self.points[:, 1]) < HALF + reach
        places: list[Point] = []
        for x in self.columns:
            taken = (in_row & (abs(self.points[:, 0] - x) < wide + reach)).any(axis=1)
            places += [(float(x), float(y)) for y in self.rows[~taken]]
        return places

    def _is_taken(self, at: Point, wide: float) -> bool:
        """Tell whether a number there would lie on one that is placed."""
        return any(
            abs(at[0] - x) < wide + other + CLEAR and abs(at[1] - y) < 2 * HALF + CLEAR
            for x, y, other in self.boxes
        )
