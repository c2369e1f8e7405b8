"""What a layer's positions take from those below, on average: edges computed from a run's layer matrices.

1. Of each condition of a subtask, the sentences that have layer matrices are told apart by their structure:
   the roles of their tokens, and the sizes of their matrices.
2. The most frequent structure is kept; of several, the one that comes first in the run.
3. Each entry of its matrices is averaged over its sentences.
4. What is not zero becomes an edge from the node below, at the entry's column, to the embedding that the
   layer makes at its row.

Structures of more than `graph.FULL_POSITIONS` tokens are left out: their edges would outnumber the graph's.
So are matrices that do not lead from one layer to the next (`hidden`).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ipgraph.graphstore.runs.matrices import Floats, arrays
from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.arrow import arrow_schema
from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.graphstore.schema.labels import node_id, node_label
from ipgraph.graphstore.schema.records import Contribution, Kind

Read = Callable[[str], Iterator[pa.Table]]
"""Yields a run's table, by its file's name, piece by piece."""
_SIZES = ["instance", "name", "layers", "rows", "columns"]


@dataclass(frozen=True, slots=True)
class _Structure:
    """What sentences share whose matrices are averaged."""

    subtask: str
    condition: str
    roles: tuple[str, ...]
    sizes: tuple[tuple[str, int, int, int], ...]


def contributions(run: str, model: str, shape: GraphShape, read: Read) -> pa.Table:
    """Return the rows of Contribution of a run whose tables `read` yields."""
    structures = _chosen(_structures(read))
    sums: dict[_Structure, dict[str, Floats]] = defaultdict(dict)
    for piece in read("matrices") if structures else ():
        for instance, name, matrix in arrays(piece):
            if structure := structures.get(instance):
                found = sums[structure]
                found[name] = found[name] + matrix if name in found else matrix
    counts = Counter(structures.values())
    parts = [
        part
        for structure, found in sums.items()
        for name, total in sorted(found.items())
        for part in _edges(run, model, shape, structure, counts[structure], name, total)
    ]
    return pa.concat_tables([arrow_schema(Contribution).empty_table(), *parts])


def _structures(read: Read) -> dict[str, _Structure]:
    """Return the structure of each instance that has layer matrices, in the run's order."""
    sizes: dict[str, list[tuple[str, int, int, int]]] = {}
    for piece in read("matrices"):
        for row in piece.select(_SIZES).to_pylist():
            size = (row["name"], row["layers"], row["rows"], row["columns"])
            sizes.setdefault(row["instance"], []).append(size)
    structures = {}
    for instances, predictions in zip(read("instances"), read("predictions"), strict=True):
        groups = instances.select(["id", "subtask", "condition"]).to_pylist()
        for group, roles in zip(groups, predictions["roles"].to_pylist(), strict=True):
            if group["id"] in sizes:
                of = tuple(sorted(sizes[group["id"]]))
                structures[group["id"]] = _Structure(group["subtask"], group["condition"], tuple(roles), of)
    return structures


def _chosen(structures: dict[str, _Structure]) -> dict[str, _Structure]:
    """Return the instances of each group's most frequent structure, unless that is too long."""
    groups: dict[tuple[str, str], list[_Structure]] = {}
    for structure in structures.values():
        groups.setdefault((structure.subtask, structure.condition), []).append(structure)
    commonest = {Counter(group).most_common(1)[0][0] for group in groups.values()}
    kept = {structure for structure in commonest if len(structure.roles) <= graph.FULL_POSITIONS}
    return {instance: structure for instance, structure in structures.items() if structure in kept}


def _edges(
    run: str, model: str, shape: GraphShape, structure: _Structure, count: int, name: str, total: Floats
) -> Iterator[pa.Table]:
    """Yield a table of edges for each layer of a matrix [layer, destination, source], summed over `count`."""
    for number, matrix in zip(layers_of(shape, name), total / count, strict=False):
        layer = shape.layers[number - 1]
        below = shape.last(layer.reads, number)
        rows, columns = np.nonzero(matrix)
        same = (run, structure.subtask, structure.condition, count)
        run_, subtask, condition, instances = (pa.repeat(value, len(rows)) for value in same)
        sources = _nodes(model, below, layer.reads, matrix.shape[1]).take(pa.array(columns))
        targets = _nodes(model, number, layer.stack, matrix.shape[0]).take(pa.array(rows))
        values = [run_, sources, targets, subtask, condition, pa.array(matrix[rows, columns]), instances]
        yield pa.table(values, schema=arrow_schema(Contribution))


def layers_of(shape: GraphShape, name: str) -> list[int]:
    """Return which of a graph's layers the matrices of a name are of, in order; none for other names."""
    is_double = shape.stacks > 1
    ends = {"encoder": (1, 1), "self": (2, 2), "cross": (2, 1)} if is_double else {"self": (1, 1)}
    layers = enumerate(shape.layers, 1)
    return [number for number, layer in layers if (layer.stack, layer.reads) == ends.get(name)]


def _nodes(model: str, layer: int, stack: int, positions: int) -> pa.Array:
    """Return the ids of a layer's embeddings by position; of layer 0, of the inputs."""
    kind: Kind = "embedding" if layer else "input"
    labels = [node_label(kind, layer, position, stack=stack) for position in range(positions)]
    return pa.array([node_id(model, label) for label in labels], pa.string())
