"""An instance's patterns drawn with characters: words along the bottom, layers upward.

    layer   + - ±   node that positive, negative or both kinds of patterns pass (· if none does)
            ┆       skip connection        │3       head 3 at the same position
            ╭─3─╯   head 3 to another position; lines that leave or join it end in a corner or a ┤ ├ ┬ ┴,
                    it interrupts lines that only cross it
            …12     12 words that no pattern passes

Heads are numbered 1..A as in the paper. An embedding-level path has no heads: its hops carry no number.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from ipgraph.queries.views.flow import Edge, edges_of
from ipgraph.queries.views.folding import folded
from ipgraph.queries.views.sentence import SKIP, WordPattern

if TYPE_CHECKING:
    from rich.text import Text

MARGIN, NARROWEST, TIGHTEST = 4, 7, 4
"""Columns for the layer's number; least columns per word usually, and on a narrow terminal."""
UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
LINES = " ╵╷│╴╯╮┤╶╰╭├─┴┬┼"
"""Box-drawing characters by the sum of the directions in which they reach."""
STYLES = {frozenset({1}): "blue", frozenset({-1}): "dark_orange", frozenset({1, -1}): "bold"}
MARKS = {frozenset({1}): "+", frozenset({-1}): "-", frozenset({1, -1}): "±"}

Signs = frozenset[int]
NONE: Signs = frozenset()


@dataclass(frozen=True, slots=True)
class Lane:
    """A horizontal line: one head's hops into one position from others."""

    target: int
    through: str
    sources: frozenset[int]
    signs: Signs


@dataclass(slots=True)
class Cell:
    """What meets in one column; an empty text is the second half of a wide letter."""

    reach: int = 0
    dashed: bool = False
    text: str | None = None
    signs: set[int] = field(default_factory=set)


def draw(tokens: Sequence[str], paths: Sequence[WordPattern], width: int | None = None) -> "Text":
    """Return the drawing of `paths` over `tokens`.

    A run of unused positions is one column, `…` and how many they are, in a long sentence and where the
    drawing would be wider than `width` columns; then words are cut too, and totals without room are omitted.
    It can still be wider.
    """
    taken = [hop for path in paths for hop in edges_of(path)]
    layers = range(max((hop.layer for hop in taken), default=0), 0, -1)
    by_layer = {layer: [hop for hop in taken if hop.layer == layer] for layer in layers}
    used = {position for hop in taken for position in (hop.source, hop.target)} | {p.position for p in paths}
    best = [NARROWEST, *(cell_len(t) + 1 for t in (*tokens, *(_total(path) for path in paths)))]
    least = max([TIGHTEST, *(_bundle(hops) + 1 for hops in by_layer.values())])
    grid = _Grid(_columns(len(tokens), used, width, max(best), least))
    for layer in layers:
        grid.nodes(layer, _passing(taken, layer))
        grid.band(by_layer[layer])
    grid.nodes(0, _passing(taken, 0))
    grid.words(tokens, paths)
    return grid.text()


def _passing(hops: Sequence[Edge], layer: int) -> dict[int, Signs]:
    signs: dict[int, set[int]] = defaultdict(set)
    for hop in hops:
        if hop.layer == layer:
            signs[hop.target].add(hop.sign)
        elif hop.layer == layer + 1:
            signs[hop.source].add(hop.sign)
    return {position: frozenset(passing) for position, passing in signs.items()}


def _columns(count: int, used: set[int], width: int | None, best: int, least: int) -> dict[range, int]:
    """Return the middle of each column: `best` apart or, on a narrow terminal, as far as fits."""
    step = max(best, least)
    shown = folded(count, used)
    if width is not None and MARGIN + step * len(shown) > width:
        shown = folded(count, used, longest=0)
        step = max(least, min(step, (width - MARGIN) // max(1, len(shown))))
    return {positions: MARGIN + step * i + step // 2 for i, positions in enumerate(shown)}


Row = defaultdict[int, Cell]


class _Grid:
    """Rows of cells, drawn from the top."""

    def __init__(self, columns: dict[range, int]) -> None:
        self.columns = {positions.start: at for positions, at in columns.items() if len(positions) == 1}
        self.folds = {at: len(positions) for positions, at in columns.items() if len(positions) > 1}
        middles = sorted(columns.values())
        self.step = middles[1] - middles[0] if len(middles) > 1 else 2 * NARROWEST
        self.rows: list[Row] = []

    def nodes(self, layer: int, passing: dict[int, Signs]) -> None:
        """Draw a layer's nodes."""
        row = self._row()
        _write(row, 0, f"{layer:2d}")
        for position, column in self.columns.items():
            signs = passing.get(position, NONE)
            _write(row, column, MARKS.get(signs, "·"), signs)

    def band(self, hops: Sequence[Edge]) -> None:
        """Draw the hops into a layer: one row per lane, then a row with the numbers of heads that stay."""
        lanes = _lanes(hops)
        stays = _stays(hops, lanes)
        needed = not lanes or any(through != SKIP for _, through in stays)
        rows = [self._row() for _ in range(len(lanes) + needed)]
        self._stays(rows, stays)
        placed = [(lane, len(rows) - 1 - needed - height) for height, lane in enumerate(lanes)]
        for lane, at in placed:
            self._verticals(rows, at, lane)
        for lane, at in placed:
            self._horizontal(rows[at], lane)

    def _stays(self, rows: Sequence[Row], stays: Mapping[tuple[int, str], Signs]) -> None:
        beside: dict[int, int] = defaultdict(int)
        for (position, through), signs in stays.items():
            column = self.columns[position] + beside[position]
            beside[position] += 1 + len(through.replace(SKIP, ""))
            for row in rows:
                _line(row[column], UP | DOWN, signs, dashed=through == SKIP)
            if through != SKIP:
                _write(rows[-1], column + 1, through, signs)

    def _verticals(self, rows: Sequence[Row], at: int, lane: Lane) -> None:
        for source in lane.sources:
            column = self.columns[source]
            _line(rows[at][column], DOWN, lane.signs)
            for row in rows[at + 1 :]:
                _line(row[column], UP | DOWN, lane.signs)
        column = self.columns[lane.target]
        _line(rows[at][column], UP, lane.signs)
        for row in rows[:at]:
            _line(row[column], UP | DOWN, lane.signs)

    def _horizontal(self, row: Row, lane: Lane) -> None:
        target = self.columns[lane.target]
        ends = {self.columns[source] for source in lane.sources} | {target}
        first, last = min(ends), max(ends)
        crossed = {column for column, cell in row.items() if cell.reach} | ends
        for column in range(first, last + 1):
            if column not in ends:
                row[column] = Cell()  # a line that only crosses is interrupted
            _line(row[column], LEFT * (column > first) | RIGHT * (column < last), lane.signs)
        digits = len(lane.through)
        if first < target:
            places = range(target - 1 - digits, first, -1)
            _write(row, _clear(places, digits, crossed), lane.through, lane.signs)
        if last > target:
            places = range(target + 2, last - digits)
            _write(row, _clear(places, digits, crossed), lane.through, lane.signs)

    def words(self, tokens: Sequence[str], paths: Sequence[WordPattern]) -> None:
        """Draw the words, their positions and, if there is room, the total influences."""
        row, numbers = self._row(), self._row()
        for position, column in self.columns.items():
            _centre(row, column, _fitting(tokens[position], self.step - 1))
            _centre(numbers, column, str(position))
        for column, count in self.folds.items():
            _centre(row, column, f"…{count}")
        if all(len(_total(path)) < self.step for path in paths):
            totals = self._row()
            for path in paths:
                _centre(totals, self.columns[path.position], _total(path), frozenset({path.sign}))

    def text(self) -> "Text":
        """Return the rows as text, coloured by sign."""
        from rich.text import Text

        lines = []
        for row in self.rows:
            line = Text()
            for column in range(max(row, default=-1) + 1):
                line.append(*_character(row.get(column, Cell())))
            line.rstrip()
            lines.append(line)
        return Text("\n").join(lines)

    def _row(self) -> Row:
        self.rows.append(defaultdict(Cell))
        return self.rows[-1]


def _lanes(hops: Sequence[Edge]) -> list[Lane]:
    """Return the hops that move, joined by target and head, from the bottom up.

    Lanes out of a position come before lanes into it, so that a line up from a position never runs along one
    that comes down on it. (For positions that swap, this is impossible.)
    """
    joined: dict[tuple[int, str], list[Edge]] = defaultdict(list)
    for hop in hops:
        joined[hop.target, hop.through].append(hop)
    lanes = [
        Lane(target, through, frozenset(h.source for h in group), frozenset(h.sign for h in group))
        for (target, through), group in sorted(joined.items())
        if any(hop.source != target for hop in group)
    ]
    below = {
        lane: [b for b in lanes if b is not lane and b.target not in b.sources and lane.target in b.sources]
        for lane in lanes
    }
    try:
        return list(TopologicalSorter(below).static_order())
    except CycleError:
        return lanes


def _stays(hops: Sequence[Edge], lanes: Sequence[Lane]) -> dict[tuple[int, str], Signs]:
    """Return the hops that stay at their position and join no lane, the skip of each position first."""
    joined = {(lane.target, lane.through) for lane in lanes}
    staying = [h for h in hops if h.source == h.target and (h.target, h.through) not in joined]
    keys = sorted(
        {(h.target, h.through) for h in staying}, key=lambda k: (k[0], k[1] != SKIP, len(k[1]), k[1])
    )
    return {key: frozenset(h.sign for h in staying if (h.target, h.through) == key) for key in keys}


def _bundle(hops: Sequence[Edge]) -> int:
    """Return the largest number of columns that the hops which stay at one position need."""
    columns: dict[int, int] = defaultdict(int)
    for position, through in _stays(hops, _lanes(hops)):
        columns[position] += 1 + len(through.replace(SKIP, ""))
    return max(columns.values(), default=0)


def _clear(places: range, digits: int, crossed: set[int]) -> int:
    """Return the first place where a number covers no line that its lane crosses."""
    free = (at for at in places if crossed.isdisjoint(range(at, at + digits)))
    return next(free, places.start)


def _total(path: WordPattern) -> str:
    return f"{path.total_influence:+.3f}"


def _fitting(text: str, room: int) -> str:
    """Return as much of a text as fits into `room` columns."""
    return text if cell_len(text) <= room else set_cell_size(text, room - 1).rstrip() + "…"


def _line(cell: Cell, reach: int, signs: Signs, *, dashed: bool = False) -> None:
    cell.reach |= reach
    cell.dashed |= dashed
    cell.signs |= signs


def _write(row: Row, column: int, text: str, signs: Signs = NONE) -> None:
    for character in text:
        cells = [character, ""][: cell_len(character)]  # Chinese letters and the like take two columns
        if not cells and (before := row[column - 1].text) is not None:
            row[column - 1].text = before + character  # an accent, which takes no column
        for part in cells:
            row[column] = Cell(text=part, signs=set(signs))
            column += 1


def _centre(row: Row, column: int, text: str, signs: Signs = NONE) -> None:
    _write(row, column - cell_len(text) // 2, text, signs)


def _character(cell: Cell) -> tuple[str, str]:
    style = STYLES.get(frozenset(cell.signs), "")
    if cell.text is not None:
        return cell.text, style
    return ("┆" if cell.dashed and cell.reach == UP | DOWN else LINES[cell.reach]), style
