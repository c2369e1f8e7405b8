"""Synthetic token attributions and mean layer matrices, as Parquet files of one run each.

Sentences have 9 to 13 tokens with [CLS] and [SEP]; a few words are far more frequent than others. A matrix's
row sums to 1.
"""

import itertools
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ipgraph.graphstore.schema.graph import GraphShape, nodes
from ipgraph.graphstore.schema.labels import node_id, node_label
from ipgraph.graphstore.schema.records import Kind

METHODS, MATRIX_METHODS = 10, 3
LAYERS, HEADS, POSITIONS = 12, 12, 32
CONDITIONS = ("singular_singular", "singular_plural", "plural_singular", "plural_plural", "simple", "other")
ROLES = ("determiner", "subject", "preposition", "attractor", "target", "rest")
WORDS = 3000
MODEL = "demo-0123456789ab"
SPECIAL = -1
"""The word index of special tokens."""
Floats = npt.NDArray[np.float64]


def write_data(folder: Path, instances: int) -> int:
    """Write the tables of all runs as Parquet files; return how many scores there are."""
    random = np.random.default_rng(0)
    ids = [instance_id(number) for number in range(instances)]
    lengths = random.integers(9, 14, instances)
    sentences = [sentence(random, int(length)) for length in lengths]
    write(
        folder / "Run.parquet",
        {"id": map(run_id, range(METHODS)), "method": map("m{}".format, range(METHODS))},
    )
    conditions = [CONDITIONS[number % len(CONDITIONS)] for number in range(instances)]
    texts = [" ".join(words[1:-1]) for words, _, _ in sentences]
    write(folder / "Instance.parquet", {"id": ids, "condition": conditions, "text": texts})
    graph = nodes(MODEL, GraphShape.uniform(LAYERS, HEADS), POSITIONS)
    names = ("id", "label", "model", "kind", "layer", "position", "head")
    write(folder / "Node.parquet", {name: [getattr(node, name) for node in graph] for name in names})
    words, indices, roles = (list(column) for column in zip(*sentences, strict=True))
    for run in range(METHODS):
        scores = [random.normal(size=length) for length in lengths]
        ends: dict[str, Any] = {"run": [run_id(run)] * instances, "instance": ids}
        found: dict[str, Any] = {"qoi": random.normal(size=instances), "tokens": words, "words": words}
        found |= {"word_indices": indices, "roles": roles}
        write(folder / f"predictions-{run}.parquet", ends | found)
        write(folder / f"scored-{run}.parquet", ends | found | {"scores": scores})
        write(folder / f"attributions-{run}.parquet", ends | {"scores": scores})
        write_scores(folder / f"scores-{run}.parquet", run, ids, scores)
    for run in range(MATRIX_METHODS):
        write_matrices(folder, run, random)
    return int(METHODS * lengths.sum())


def sentence(random: np.random.Generator, length: int) -> tuple[list[str], list[int], list[str]]:
    """Return words between [CLS] and [SEP] (some words far more frequent), word indices and roles."""
    numbers = np.minimum(random.zipf(1.3, length - 2), WORDS)
    words = ["[CLS]", *(f"word{number}" for number in numbers), "[SEP]"]
    roles = ["", *(ROLES[min(place, len(ROLES) - 1)] for place in range(length - 2)), ""]
    return words, [SPECIAL, *range(length - 2), SPECIAL], roles


def write_scores(path: Path, run: int, ids: Sequence[str], scores: Sequence[Floats]) -> None:
    """Write a row per score: the ends, then the properties."""
    inputs = [node_id(MODEL, node_label("input", 0, position)) for position in range(POSITIONS)]
    rows = [(i, inputs[k]) for i, values in zip(ids, scores, strict=True) for k in range(len(values))]
    columns = {
        "instance": [i for i, _ in rows],
        "node": [n for _, n in rows],
        "run": [run_id(run)] * len(rows),
    }
    write(path, columns | {"score": np.concatenate(scores)})


def write_matrices(folder: Path, run: int, random: np.random.Generator) -> None:
    """Write a run's mean matrices, by rows and by entries; a row sums to 1."""
    rows: list[tuple[str, str, int, Floats, list[str]]] = []
    for condition, layer in itertools.product(CONDITIONS, range(1, LAYERS + 1)):
        matrix = random.dirichlet(np.full(POSITIONS, 0.3), size=POSITIONS)
        kind: Kind = "input" if layer == 1 else "embedding"
        sources = [node_id(MODEL, node_label(kind, layer - 1, position)) for position in range(POSITIONS)]
        for position in range(POSITIONS):
            target = node_id(MODEL, node_label("embedding", layer, position))
            rows.append((target, condition, 1500, matrix[position], sources))
    names = ("node", "grouping", "instances", "means")
    columns: dict[str, Any] = {name: [row[k] for row in rows] for k, name in enumerate(names)}
    ends = {"run": [run_id(run)] * len(rows)}
    write(folder / f"mixtures-{run}.parquet", ends | columns)
    write(folder / f"targets-{run}.parquet", columns | {"sources": [row[4] for row in rows]})
    entries: dict[str, Any] = {
        "source": [source for row in rows for source in row[4]],
        "target": [row[0] for row in rows for _ in row[4]],
        "run": [run_id(run)] * (len(rows) * POSITIONS),
        "grouping": [row[1] for row in rows for _ in row[4]],
        "mean": np.concatenate(columns["means"]),
        "instances": [row[2] for row in rows for _ in row[4]],
    }
    write(folder / f"contributions-{run}.parquet", entries)


def write(path: Path, columns: dict[str, Iterable[Any]]) -> None:
    """Write a Parquet file."""
    pq.write_table(pa.table({name: pa.array(list(values)) for name, values in columns.items()}), path)


def run_id(number: int) -> str:
    """Return the id of a run."""
    return sha256(f"run {number}".encode()).hexdigest()[:16]


def instance_id(number: int) -> str:
    """Return the id of an instance."""
    return f"synthetic:{sha256(f'instance {number}'.encode()).hexdigest()[:12]}"
