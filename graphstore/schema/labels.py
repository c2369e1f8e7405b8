"""Node labels and ids: a node's kind, layer, head and position as ASCII text of one width.

h03.07@0012              head 7 of layer 3 at position 12; upper case in the decoder of an encoder-decoder
s03.--@0012              the skip there
h03.07-0002              the same head, two positions before the target (target_label)
h03.07:subject.........  the same by the role of its position (role_label)
"""

from typing import NamedTuple

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.schema.records import Kind, Level

_LETTER: dict[Kind, str] = {"input": "x", "embedding": "e", "head": "h", "skip": "s", "output": "q"}
_KIND: dict[str, Kind] = {letter: kind for kind, letter in _LETTER.items()}

LABEL_WIDTH = 11
"""Characters of a node label such as `h03.07@0012`; in a route they are joined by single spaces."""
ROLE_WIDTH = 16
"""Longest role name; in `role_route` each is padded with dots to this width."""
ROLE_LABEL_WIDTH = LABEL_WIDTH - 4 + ROLE_WIDTH
"""Characters of a role label such as `h03.07:subject.........`."""
MAX_LAYER, MAX_HEAD, MAX_POSITION = 99, 99, 9999


class NodeKey(NamedTuple):
    """What a label says of a node: layer and head from 1 (head 0: none), position from 0 (-1: none)."""

    kind: Kind
    layer: int
    position: int
    head: int = 0
    stack: int = 1  # 2 in the decoder of an encoder-decoder


def node_label(kind: Kind, layer: int, position: int, head: int = 0, stack: int = 1) -> str:
    """Return a node's label of LABEL_WIDTH ASCII characters: `x00.--@0004`, `e03.--@0004`, `h03.07@0004`.

    The output node has no position: `q07.--@----`. Raises IpgraphError past two digits of layer or head and
    four of position.
    """
    if layer > MAX_LAYER or head > MAX_HEAD or position > MAX_POSITION:
        raise IpgraphError(
            f"a node at layer {layer}, head {head}, position {position} has no label: the schema reaches "
            f"layer {MAX_LAYER}, head {MAX_HEAD} and position {MAX_POSITION}"
        )
    letter = _LETTER[kind] if stack == 1 else _LETTER[kind].upper()
    number = f"{head:02d}" if head else "--"
    return f"{letter}{layer:02d}.{number}@{'----' if position < 0 else f'{position:04d}'}"


def parse_label(label: str) -> NodeKey:
    """Return what a label says; raises KeyError, ValueError or IndexError for text that is not a label."""
    head, position = label[4:6], label[7:11]
    return NodeKey(
        _KIND[label[0].lower()],
        int(label[1:3]),
        -1 if position == "----" else int(position),
        0 if head == "--" else int(head),
        2 if label[0].isupper() else 1,
    )


def target_label(label: str, target: int) -> str:
    """Return a label with its position relative to the target: `h03.07@0012` and 14 give `h03.07-0002`."""
    return f"{label[:6]}{int(label[7:]) - target:+05d}"


def role_label(label: str, role: str) -> str:
    """Return a label with its position's role: `h03.07:subject.........`, ROLE_LABEL_WIDTH characters."""
    return f"{label[:6]}:{role:.<{ROLE_WIDTH}}"


def node_id(model: str, label: str) -> str:
    """Return a node's id, which carries its model."""
    return f"{model}/{label}"


def pattern_id(run: str, instance: str, level: Level, position: int) -> str:
    """Return a pattern's id, `<run>/<instance>/a0004`, by whose beginning Neo4j's texts find patterns."""
    return f"{run}/{instance}/{level[0]}{position:04d}"
