"""The graph's schema: its records, whose names and fields are those of labels, properties and keys.

    (Run)-[:PREDICTED]->(Instance)-[:HAS_PATTERN]->(Pattern)-[:THROUGH]->(Node)-[:FLOWS_TO]->(Node)
    (Run)-[:PRODUCED]->(Pattern)
    (Run)-[:ATTRIBUTES]->(Instance)                                  a score per token
    (Run)-[:VIEWS]->(Instance)                                       how heads see layers and tokens
    (Node)-[:CONTRIBUTES]->(Node)                                    layer matrices, means over sentences
    (Run)-[:MEASURED]->(Measure)                                     of one run, or of several

Each record below is a frozen dataclass: its fields are the columns of the run directory's Parquet tables and
the properties in either graph store, in this order; `tables` says which is a label, which a relationship.
Layers and heads count from 1 as in the paper (layer 0 is the input; `head` is 0 where there is none),
positions from 0.
"""

import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Literal

SCHEMA_VERSION = 5

Kind = Literal["input", "embedding", "head", "skip", "output"]
Level = Literal["embedding", "attention"]
LEVELS: tuple[Level, ...] = ("embedding", "attention")


def levels_of(level: str) -> tuple[Level, ...]:
    """Return the levels that a run's `level` stands for: itself, or every level where it is "both"."""
    return tuple(name for name in LEVELS if level in (name, "both"))


@dataclass(frozen=True, slots=True)
class Instance:
    """One sentence of a dataset and what a model should say of it; nothing that a run or tokenizer adds."""

    id: str  # dataset and content digest: see instance_id
    dataset: str
    name: str  # the row's own id in its file, or the id again
    subtask: str
    condition: str
    text: str
    second: str  # the second sentence of a pair; "" where there is none
    continuation: str  # the text of an encoder-decoder's decoder, with a [MASK]; "" elsewhere
    correct: str  # word forms (language models); "" for a classifier
    wrong: str
    label: int  # class index as the dataset gives it (classifier); -1 where it gives none
    label_name: str  # the label where the dataset gives it as text; else ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a run found out about an instance (PREDICTED); lists run over the model's positions."""

    run: str
    instance: str
    qoi: float
    qoi_baseline: float | None  # None of a method that has no baseline
    is_correct: bool  # the label is what the model prefers; with a predicted label always so
    completeness_error: float | None  # sum of total influences - (qoi - qoi_baseline); None without baseline
    points: int  # samples of the path from baseline to input; 0 of a method that has none
    is_settled: bool | None  # the error is within the run's tolerance; None where the run has none
    target: int  # position whose logits (or pooled vector) the QoI reads
    label: int  # the class that is right, by the model's numbers; -1 of a masked language model
    label_is_predicted: bool  # the dataset gave no label: the predicted class stands for it
    toward: str  # what the QoI's first logit is of: a piece of the vocabulary, or a class by its name
    against: str  # the same of the second; "" where the QoI is one logit
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
    product: float | None  # of the layer matrices' entries along the path; None of methods without any
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
    runner_up: int | None  # the position, or the head (0: the skip), that came second; None as above


@dataclass(frozen=True, slots=True)
class Attribution:
    """A score per token of an instance (ATTRIBUTES): lists run over the model's positions."""

    run: str
    instance: str
    method: str  # whose scores they are; of a run of paths the integrated gradients that these refine
    scores: list[float]  # 0 for a token that is not heard
    cut_layers: list[int]  # of flow, the layer that holds most of a token's minimum cut; else empty
    mixing: list[float]  # by layer, the share that is not the own token's, mean over positions; or empty


VIEWED = ("previous", "same", "next", "first", "last")
"""The tokens on which a view's mass is counted. In BERT the first is [CLS] and the last is [SEP]."""


@dataclass(frozen=True, slots=True)
class View:
    """How each head sees the layer before it (local) and the tokens (global), means over positions (VIEWS).

    Lists run over layers, then heads; of masses then over VIEWED.
    """

    run: str
    instance: str
    divergences: list[float]  # Jensen-Shannon, in bits
    correlations: list[float]  # Spearman's; 0 where it is not defined, as are masses
    local_masses: list[float]
    global_masses: list[float]


@dataclass(frozen=True, slots=True)
class LayerMatrix:
    """A layer matrix per layer of an instance, in the run directory alone: [layers, rows, columns].

    Rows are destinations, columns sources. `values` may be an array.array of "d": a long text has millions.
    """

    run: str
    instance: str
    name: str  # such as "self": see RunDirectory.matrices
    layers: int
    rows: int
    columns: int
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Contribution:
    """An entry of the mean layer matrix of sentences of one structure (CONTRIBUTES): of source in target.

    Of each subtask's condition they are the sentences of its most frequent sequence of roles.
    """

    run: str
    source: str
    target: str
    subtask: str
    condition: str
    mean: float
    instances: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a model's computation graph, shared by all instances."""

    id: str  # see node_id
    label: str
    model: str
    kind: Kind
    layer: int  # one per mixing step: a decoder layer with cross-attention is two
    position: int  # -1 for the output
    head: int
    stack: int  # 2 in the decoder of an encoder-decoder, else 1


@dataclass(frozen=True, slots=True)
class Flow:
    """An edge of the computation graph (FLOWS_TO)."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Run:
    """One extraction: a model, a dataset and the settings that determine the numbers."""

    id: str
    label: str  # the user's name for it; "" where there is none
    model: str  # as in node ids: name and digest of weights, config and tokenizer
    model_name: str  # as the user gave it; of a folder its last part
    task: str  # "masked-lm", "causal-lm", "classifier" or "seq2seq"
    dataset: str
    method: str
    level: str  # "embedding", "attention" or "both"; "" of a method that gives no paths
    qoi: str
    baseline: str  # "" of a method that has none
    move_first: bool  # whether position 0 starts from the baseline too; in decoders it may keep its embedding
    n_steps: int  # samples of the path from baseline to input; 0 where each instance gets its own number
    quadrature: str  # "" of a method that integrates nothing
    tolerance: float | None  # what completeness settles at; None where n_steps is fixed
    at: str  # which embeddings an attribution scores: "word" or "input"; "" of other methods
    position_correction: str  # of rollout and flow; "" of other methods
    position_decay: float  # of the correction "position"; else 0
    dtype: str
    layers: int  # mixing steps
    heads: int
    classes: list[str]  # the names of a classifier's classes, by number; empty for a masked language model
    graph: str  # JSON: the model's layers as the computation graph has them, see graph.GraphShape
    positions: int  # longest sentence
    instances: int
    patterns: int
    steps: int
    rows: str  # JSON: how many rows each of its tables has
    skipped: int  # rows of the dataset that could not be used
    unsettled: int | None  # instances whose error is above the tolerance; None where there is none
    accuracy: float | None  # share right of the instances with a label; None where none has one
    created: str  # ISO 8601, UTC
    settings: str  # JSON: what the id hashes
    environment: str  # JSON: what is recorded but not hashed
    state: str  # "loading" until every row is in the store, then "complete"
    loaded: int  # patterns in the store


@dataclass(frozen=True, slots=True)
class Measure:
    """A number computed over one run or several (accuracy after ablation, ...), with its 95% interval."""

    id: str
    runs: list[str]
    metric: str
    method: str
    level: str
    grouping: str  # subtask, or "" for the whole run (of structures: the most frequent one, see note)
    target: str  # of ablation: "dropped" or "kept", the target's own column; else ""
    size: str  # of ablation: "natural" where a method keeps its own paths, not as many nodes as Pi_+; else ""
    counting: str  # of a share of paths: "one path per word" or "inside"; else ""
    k: int  # nodes per layer; 1 unless several
    search: str  # "beam", "exhaustive", "random" or ""
    beam: int  # width; 0 where there is no beam
    draws: int  # random draws; 0 where there are none
    resamples: int  # of the bootstrap behind the interval
    position: int  # -1 where the number is not of one position
    word: str  # the role at that position, or its most frequent token; else ""
    value: float
    low: float
    high: float
    count: int  # instances behind the value
    seed: int
    note: str


ColumnType = Literal["string", "int", "float", "bool", "string[]", "int[]", "float[]"]
_SCALARS: dict[object, ColumnType] = {str: "string", int: "int", float: "float", bool: "bool"}
_LISTS: dict[object, ColumnType] = {str: "string[]", int: "int[]", float: "float[]"}


@cache
def columns(record: type) -> dict[str, ColumnType]:
    """Return a record's columns in order, name to type."""
    hints = typing.get_type_hints(record)
    return {field.name: _column_type(hints[field.name]) for field in fields(record)}


@cache
def nullable(record: type) -> frozenset[str]:
    """Return which of a record's columns may be null: those whose type allows None."""
    return frozenset(name for name, hint in typing.get_type_hints(record).items() if _optional(hint))


def _optional(hint: object) -> bool:
    return typing.get_origin(hint) is types.UnionType and type(None) in typing.get_args(hint)


def _column_type(hint: object) -> ColumnType:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return "string"
    if _optional(hint):
        return _column_type(next(arg for arg in args if arg is not type(None)))
    return _LISTS[args[0]] if origin in (list, Sequence) else _SCALARS[hint]
