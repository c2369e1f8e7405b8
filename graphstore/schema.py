"""The graph's schema: the one place that names labels, relationships, properties and keys.

    (Run)-[:EVALUATED]->(Instance)-[:HAS_PATTERN]->(Pattern)-[:THROUGH]->(Node)-[:FLOWS_TO]->(Node)
    (Run)-[:PRODUCED]->(Pattern)
    (Run)-[:MEASURED]->(Measure)

Each record below is a frozen dataclass: its fields are the columns of the run directory's Parquet tables and
the properties in either graph store, in this order. Layers of nodes are 1-based as in the paper (layer 0 is
the input); heads and positions count from 0; `head` is -1 where there is none.
"""

import types
import typing
from dataclasses import dataclass, fields
from functools import cache
from typing import Literal

from ipgraph.graphstore.errors import IpgraphError

SCHEMA_VERSION = 1

Kind = Literal["input", "embedding", "head", "skip", "output"]
Level = Literal["embedding", "attention"]
LEVELS: tuple[Level, ...] = ("embedding", "attention")

_LETTER: dict[Kind, str] = {"input": "x", "embedding": "e", "head": "h", "skip": "s", "output": "q"}
_KIND: dict[str, Kind] = {letter: kind for kind, letter in _LETTER.items()}

LABEL_WIDTH = 10
"""Characters of a node label such as `h03.07@012`; labels in a route are this far apart plus one space."""
ROLE_WIDTH = 16
"""Longest role name; in `role_route` each is padded with dots to this width."""
ROLE_LABEL_WIDTH = LABEL_WIDTH - 3 + ROLE_WIDTH
"""Characters of a role label such as `h03.07:subject.........`."""
MAX_LAYER, MAX_HEAD, MAX_POSITION = 99, 99, 999


@dataclass(frozen=True, slots=True)
class Instance:
    """One sentence of a dataset and what a model should say of it; nothing that a run or tokenizer adds."""

    id: str  # dataset and content digest: see instance_id
    dataset: str
    name: str  # the row's own id in its file, or the id again
    subtask: str
    condition: str
    text: str
    correct: str  # word forms (masked language model); "" for a classifier
    wrong: str
    label: int  # class index (classifier); -1 where there is none


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a run found out about an instance (EVALUATED); lists run over the model's positions."""

    run: str
    instance: str
    qoi: float
    qoi_baseline: float
    is_correct: bool  # the label is what the model prefers; with a predicted label always so
    completeness_error: float  # sum of total influences - (qoi - qoi_baseline)
    target: int  # position whose logits (or pooled vector) the QoI reads
    label_is_predicted: bool  # the dataset gave no label: the predicted class stands for it
    tokens: list[str]
    words: list[str]  # the whitespace word each piece belongs to; the token itself for special tokens
    word_indices: list[int]  # which whitespace word of the text; -1 for special tokens
    roles: list[str]


@dataclass(frozen=True, slots=True)
class Pattern:
    """An influence pattern: the path that carries one word's influence on the QoI."""

    id: str  # see pattern_id
    run: str
    instance: str
    level: Level
    sign: int  # 1 where total influence >= 0, else -1
    total_influence: float  # g(x_i)
    influence: float  # I(x, pi)
    word: str
    word_index: int
    token: str
    position: int
    role: str
    path: list[str]  # node ids in step order
    route: str  # the nodes' labels
    role_route: str  # the same with each position's role
    target_route: str  # the same with positions relative to the target


@dataclass(frozen=True, slots=True)
class Step:
    """One node of a pattern's path (THROUGH)."""

    pattern: str
    step: int
    node: str
    influence: float  # of the pattern chosen so far
    margin: float | None  # sign x (best - runner-up); None where there was one candidate


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a model's computation graph, shared by all instances."""

    id: str  # see node_id
    label: str
    model: str
    kind: Kind
    layer: int
    position: int
    head: int


@dataclass(frozen=True, slots=True)
class Flow:
    """An edge of the computation graph (FLOWS_TO)."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Run:
    """One extraction: a model, a dataset and the settings that determine the numbers."""

    id: str
    model: str  # as in node ids: name and digest of weights, config and tokenizer
    model_name: str  # as the user gave it
    task: str  # "masked-lm" or "classifier"
    dataset: str
    method: str
    level: str  # "embedding", "attention" or "both"
    qoi: str
    baseline: str
    n_steps: int
    quadrature: str
    dtype: str
    layers: int
    heads: int
    positions: int  # longest sentence
    instances: int
    patterns: int
    steps: int
    skipped: int  # rows of the dataset that could not be used
    accuracy: float | None  # share right of the instances with a label; None where none has one
    created: str  # ISO 8601, UTC
    settings: str  # JSON: what the id hashes
    environment: str  # JSON: what is recorded but not hashed
    state: str  # "loading" until every row is in the store, then "complete"
    loaded: int  # patterns in the store


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure computed over a run (accuracy after ablation, concentration, ...), with its 95% interval."""

    id: str
    run: str
    metric: str
    method: str
    level: str
    grouping: str  # subtask, or "" for the whole run (of structures: the most frequent one, see note)
    variant: str  # such as "target=dropped"
    value: float
    low: float
    high: float
    count: int  # instances behind the value
    seed: int
    note: str


@dataclass(frozen=True, slots=True)
class Relationship:
    """A relationship type: its ends, and the record whose columns it carries (first the ends' keys)."""

    name: str
    source: type
    target: type
    record: type | None = None
    keys: tuple[str, ...] = ()  # columns of the record that name the ends, not stored as properties


NODES: tuple[type, ...] = (Run, Instance, Pattern, Node, Measure)
RELATIONSHIPS: tuple[Relationship, ...] = (
    Relationship("EVALUATED", Run, Instance, Evaluation, ("run", "instance")),
    Relationship("PRODUCED", Run, Pattern),
    Relationship("HAS_PATTERN", Instance, Pattern),
    Relationship("THROUGH", Pattern, Node, Step, ("pattern", "node")),
    Relationship("FLOWS_TO", Node, Node, Flow, ("source", "target")),
    Relationship("MEASURED", Run, Measure),
)

SHARD_TABLES: dict[str, type] = {
    "instances": Instance,
    "evaluations": Evaluation,
    "patterns": Pattern,
    "steps": Step,
}
"""The Parquet tables of one shard of a run directory, by file name."""

ColumnType = Literal["string", "int", "float", "bool", "string[]", "int[]", "float[]"]
_SCALARS: dict[object, ColumnType] = {str: "string", int: "int", float: "float", bool: "bool"}
_LISTS: dict[object, ColumnType] = {str: "string[]", int: "int[]", float: "float[]"}


@cache
def columns(record: type) -> dict[str, ColumnType]:
    """Return a record's columns in order, name to type."""
    hints = typing.get_type_hints(record)
    return {field.name: _column_type(hints[field.name]) for field in fields(record)}


def _column_type(hint: object) -> ColumnType:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return "string"
    if origin is types.UnionType:
        return _column_type(next(arg for arg in args if arg is not type(None)))
    return _LISTS[args[0]] if origin is list else _SCALARS[hint]


def properties(relationship: Relationship) -> dict[str, ColumnType]:
    """Return the properties a relationship carries in the graph, name to type."""
    if relationship.record is None:
        return {}
    return {n: t for n, t in columns(relationship.record).items() if n not in relationship.keys}


def graph_size(layers: int, heads: int, positions: int, level: Level) -> int:
    """Return |G|: how many nodes the computation graph of one sentence has, the output included."""
    hops = layers * (heads + 1) if level == "attention" else 0
    return positions * (1 + layers + hops) + 1


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
