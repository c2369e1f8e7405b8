"""Where the numbers of heads go in a flow diagram: on their own edge, never on another edge, node or number.

A number that finds no such place on its edge stands at the nearest free place beside it, joined by a thin
line. All lengths are inches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING

from ipgraph.cli.figures.pen import Point, extent

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 5.5
"""Font size in points."""
HALF = 0.04
"""Half the height of a number."""
CLEAR = 0.008
"""Room around a number."""
SHARES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.2, 0.8, 0.14, 0.86)
"""Where along an edge its number may be, best first."""
STEP, RINGS, TURNS = 0.03, 40, 24
"""How far apart the rings of places beside an edge are, how many there are, and places on a ring."""
SAMPLES = 48


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
    """Return the place of each curve's number; curves and nodes are all that is drawn around them."""
    obstacles = _Obstacles(curves, nodes, radius)
    return [obstacles.place(index) for index, curve in enumerate(curves) if curve.number]


class _Obstacles:
    """What numbers must not cover: points along curves, nodes, and the numbers placed so far."""

    def __init__(self, curves: Sequence[Curve], nodes: Sequence[Point], radius: float) -> None:
        import numpy as np

        shares = [n / (SAMPLES - 1) for n in range(SAMPLES)]
        along = [(*c.at(share), c.width / 2, index) for index, c in enumerate(curves) for share in shares]
        around = [(x, y, radius, -1) for x, y in nodes]
        self.curves = curves
        columns = list(zip(*nodes, strict=True))
        self.low = min(columns[0]), min(columns[1]) - 2 * HALF
        self.high = max(columns[0]), max(columns[1]) + 2 * HALF
        self.points: NDArray[np.float64] = np.array([*along, *around], dtype=float).reshape(-1, 4)
        self.boxes: list[tuple[float, float, float]] = []

    def place(self, index: int) -> Place:
        """Return the place of a curve's number, which is then taken."""
        curve = self.curves[index]
        wide = half_width(curve.number)
        on_edge = (Place(curve, curve.at(share)) for share in SHARES)
        free = (p for p in (*on_edge, *_beside(curve)) if self._is_free(p, wide, index))
        place = next(free, None) or Place(curve, curve.at(0.5))
        self.boxes.append((*place.at, wide))
        return place

    def _is_free(self, place: Place, wide: float, index: int) -> bool:
        (x, y), own = place.at, -2 if place.anchor else index
        if not (self.low[0] <= x <= self.high[0] and self.low[1] <= y <= self.high[1]):
            return False
        near = (abs(self.points[:, 0] - x) < wide + CLEAR + self.points[:, 2]) & (
            abs(self.points[:, 1] - y) < HALF + CLEAR + self.points[:, 2]
        )
        if bool((near & (self.points[:, 3] != own)).any()):
            return False
        return all(
            abs(x - bx) >= wide + other + CLEAR or abs(y - by) >= 2 * HALF + CLEAR
            for bx, by, other in self.boxes
        )


def _beside(curve: Curve) -> Iterator[Place]:
    """Yield places on rings around the curve's middle, nearest first, each joined to the nearest share."""
    from math import cos, pi, sin

    middle = curve.at(0.5)
    for ring in range(2, RINGS):
        for turn in range(TURNS):
            angle = 2 * pi * turn / TURNS
            at = middle[0] + ring * STEP * cos(angle), middle[1] + ring * STEP * sin(angle)
            anchor = min(map(curve.at, SHARES), key=lambda p: hypot(p[0] - at[0], p[1] - at[1]))
            yield Place(curve, at, anchor)
