"""Node labels as people read them, without padding.

h03.07@0012 -> h3.7@12       s03.--@0012 -> s3@12       x00.--@0012 -> x@12
h03.07-0002 -> h3.7-2        (relative to the target)
h03.07:subject......... -> h3.7:subject
"""

from ipgraph.graphstore.schema.labels import parse_label

KEY = "x: input, e: embedding, h: head (layer.number, from 1), s: skip"
"""What a table's note says of them."""


def printed_step(step: str) -> str:
    """Return what a label says before its position: `h03.07` gives `h3.7`."""
    kind, layer, _, head, _ = parse_label(f"{step}@0000")
    if kind == "input":
        return step[0]
    return f"{step[0]}{layer}" + (f".{head}" if head else "")


def printed_label(label: str) -> str:
    """Return a node's label, absolute, relative to the target or by role."""
    step, mark, place = label[:6], label[6], label[7:]
    if mark == ":":
        return f"{printed_step(step)}:{place.rstrip('.')}"
    return f"{printed_step(step)}{mark}{int(place)}"


def printed_subpath(subpath: str) -> str:
    """Return a part of a route, its nodes joined by arrows."""
    return " → ".join(map(printed_label, subpath.split(" ")))
