"""What is in an SVG file: its groups, texts and widths."""

import re
from pathlib import Path
from xml.etree import ElementTree

from ipgraph.cli.figures import style

SVG = "{http://www.w3.org/2000/svg}"


def svg(figure: object) -> ElementTree.Element:
    return ElementTree.fromstring(style.svg(figure))  # type: ignore[arg-type]  # noqa: S314


def parts(root: ElementTree.Element, prefix: str) -> dict[str, ElementTree.Element]:
    """Return the groups whose id, such as `a-edge-1-0-0-skip-positive`, holds this, with their first path."""
    groups = {g.get("id", ""): g.find(f"{SVG}path") for g in root.iter(f"{SVG}g")}
    return {name: path for name, path in groups.items() if prefix in name and path is not None}


def looks(path: ElementTree.Element) -> dict[str, str]:
    return dict(re.findall(r"([\w-]+): ([^;]+)", path.get("style", "")))


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def extent(path: ElementTree.Element) -> float:
    """Return how wide a path is."""
    xs = [float(x) for x, _ in re.findall(r"([\d.]+) ([\d.]+)", path.get("d", ""))]
    return max(xs) - min(xs)


def drawn(path: Path, panel: str = "a") -> set[str]:
    """Return the ids of the edges in a panel of an SVG, without its letter."""
    root = ElementTree.parse(path).getroot()  # noqa: S314
    ids = [g.get("id", "") for g in root.iter(f"{SVG}g") if "-edge-" in g.get("id", "")]
    assert len(set(ids)) == len(ids)
    return {name.partition("-")[2] for name in ids if name.startswith(f"{panel}-")}
