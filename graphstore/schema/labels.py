"""Node labels and ids: a node's kind, layer, head and position as ASCII text of one width."""

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.schema.records import Kind, Level

_LETTER: dict[Kind, str] = {"input": "x", "embedding": "e", "head": "h", "skip": "s", "output": "q"}
_KIND: dict[str, Kind] = {letter: kind for kind, letter in _LETTER.items()}

LABEL_WIDTH = 10
"""Characters of a node label such as `h03.07@012`; labels in a route are this far apart plus one space."""
ROLE_WIDTH = 16
"""Longest role name; in `role_route` each is padded with dots to this width."""
ROLE_LABEL_WIDTH = LABEL_WIDTH - 3 + ROLE_WIDTH
"""Characters of a role label such as `h03.07:subject.........`."""
MAX_LAYER, MAX_HEAD, MAX_POSITION = 99, 99, 999


def node_label(kind: Kind, layer: int, position: int, head: int = -1) -> str:
    """Return a node's label of LABEL_WIDTH ASCII characters: `x00.--@004`, `e03.--@004`, `h03.07@004`.

    The output node has no position: `q07.--@---`. Raises IpgraphError past two digits of layer or head and
    three of position.
    """
    if layer > MAX_LAYER or head > MAX_HEAD or position > MAX_POSITION:
        raise IpgraphError(
            f"a node at layer {layer}, head {head}, position {position} has no label: the schema reaches "
            f"layer {MAX_LAYER}, head {MAX_HEAD} and position {MAX_POSITION}"
        )
    return f"{_LETTER[kind]}{layer:02d}.{_two(head)}@{'---' if position < 0 else f'{position:03d}'}"


def _two(head: int) -> str:
    return "--" if head < 0 else f"{head:02d}"


def parse_label(label: str) -> tuple[Kind, int, int, int]:
    """Return (kind, layer, position, head) of a label; position and head are -1 where there is none."""
    head, position = label[4:6], label[7:10]
    return (
        _KIND[label[0]],
        int(label[1:3]),
        -1 if position == "---" else int(position),
        -1 if head == "--" else int(head),
    )


def target_label(label: str, target: int) -> str:
    """Return a label with its position relative to the target: `h03.07@012` and 14 give `h03.07-002`."""
    offset = int(label[7:]) - target
    return f"{label[:6]}{offset:+04d}"


def role_label(label: str, role: str) -> str:
    """Return a label with its position's role: `h03.07:subject.........`, ROLE_LABEL_WIDTH characters."""
    return f"{label[:6]}:{role:.<{ROLE_WIDTH}}"


def node_id(model: str, label: str) -> str:
    """Return a node's id, which carries its model."""
    return f"{model}/{label}"


def pattern_id(run: str, instance: str, level: Level, position: int) -> str:
    """Return a pattern's id, `<run>/<instance>/a004`, by whose beginning Neo4j's texts find patterns."""
    return f"{run}/{instance}/{level[0]}{position:03d}"
