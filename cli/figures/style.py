"""How every figure looks and is written: for the columns of a paper, in colours for colour-blind readers.

The same figure is always written as the same bytes: no dates, no random ids, matplotlib's own fonts.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ipgraph.graphstore.common.errors import UsageError, lacking
from ipgraph.graphstore.common.files import written_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")
COLUMN, TEXT = 3.25, 6.75
"""Inches: the width of a column and of the text in a two-column paper."""
SMALL, NORMAL = 6.0, 7.0
"""Font sizes in points."""
SIGNS = {1: "#0072b2", -1: "#d55e00"}
"""Blue and vermilion of Okabe and Ito's palette."""
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, FAINT, RULE = "#222222", "#bbbbbb", "#dddddd"
SCALE = "Blues"
"""Colour map for shares."""

_RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
    "font.size": NORMAL,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": NORMAL,
    "axes.labelsize": NORMAL,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "ipgraph",
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
}

Parameters = ParamSpec("Parameters")
Look = TypeVar("Look")


def need_matplotlib() -> None:
    """Raise IpgraphError that names the extra if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise lacking("figures need matplotlib", "plot") from error


def styled(build: "Callable[Parameters, Figure]") -> "Callable[Parameters, Figure]":
    """Let a function build its figure in this style, whatever the user's own settings are."""

    @wraps(build)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> "Figure":
        need_matplotlib()
        with _style():
            return build(*args, **kwargs)

    return wrapper


@contextmanager
def _style() -> Iterator[None]:
    from matplotlib.style import context

    with context(["default", _RC]), warnings.catch_warnings():
        # `save` refuses such letters in PNG and PDF; an SVG is shown in the reader's own fonts.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def require_place(path: Path) -> None:
    """Raise UsageError if the folder of a file does not exist, or the path is itself a folder."""
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; --output needs the name of a file")


def check_format(path: Path) -> str:
    """Return the format that a file name ends in; raises UsageError for another ending, or a wrong place."""
    require_place(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise UsageError(
            f"{path}: the name of a figure must end in {', '.join(f'.{name}' for name in FORMATS)}"
        )
    return kind


def save(figure: "Figure", path: Path, about: str = "") -> None:
    """Write a figure in the format that its file name ends in; `about` goes into the file's metadata.

    Raises UsageError for letters that the font of a PNG or PDF lacks.
    """
    kind = check_format(path)
    if kind != "svg" and (letters := _unknown_letters(figure)):
        raise UsageError(
            f"{path}: the font of figures lacks {' '.join(letters[:10])}; write an .svg file, which is shown "
            "in the reader's fonts"
        )
    with _style(), written_beside(path) as partial:
        figure.savefig(partial, format=kind, metadata=_metadata(kind, about))


def svg(figure: "Figure", about: str = "") -> str:
    """Return a figure as an `<svg>` element for a page."""
    from io import StringIO

    text = StringIO()
    with _style():
        figure.savefig(text, format="svg", metadata=_metadata("svg", about))
    document = text.getvalue()
    return document[document.index("<svg") :]


def _unknown_letters(figure: "Figure") -> list[str]:
    """Return the letters of a figure's texts that its font lacks."""
    from matplotlib.font_manager import findfont, get_font
    from matplotlib.text import Text

    known = get_font(findfont("DejaVu Sans")).get_charmap()
    used = {letter for text in figure.findobj(Text) for letter in text.get_text()}
    return sorted(letter for letter in used - {"\n"} if ord(letter) not in known)


def _metadata(kind: str, about: str) -> dict[str, str | None]:
    """Return a file's metadata, without dates and versions."""
    named = {"Title": about} if about else {}
    if kind == "pdf":
        return {**named, "Creator": "ipgraph", "Producer": None, "CreationDate": None}
    return {**named, "Software": None} if kind == "png" else {**named, "Creator": "ipgraph", "Date": None}


def colour(series: int) -> str:
    """Return the colour of a series by its number."""
    return SERIES[series % len(SERIES)]


def turn(series: int, looks: Sequence[Look]) -> Look:
    """Return the marker or dash of a series by its number; it changes when the colours repeat."""
    return looks[(series + series // len(SERIES)) % len(looks)]


def letter(index: int) -> str:
    """Return the letter of a figure's panel: a, b, ..., z, aa, ..."""
    return (letter(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


def sheet(width: float, height: float) -> "Figure":
    """Return an empty figure of a size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def grid(axes: "Axes", axis: Any = "y") -> None:
    """Draw faint lines behind the data."""
    axes.grid(axis=axis, color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
