"""The layer matrices that a run directory keeps: how much each position takes from those below."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ipgraph.graphstore.runs import shards

Floats: TypeAlias = npt.NDArray[np.float64]


def arrays(table: pa.Table) -> Iterator[tuple[str, str, Floats]]:
    """Yield the instance, the name and the matrices [layer, destination, source] of each row."""
    names = ("instance", "name", "layers", "rows", "columns")
    columns = (table[name].to_pylist() for name in names)
    for instance, name, *shape, values in zip(*columns, table["values"], strict=True):
        yield instance, name, values.values.to_numpy().reshape(shape)


def of_instance(folders: Iterable[Path], instance: str) -> dict[str, Floats] | None:
    """Return an instance's layer matrices by name from shards' folders; None where no shard has it.

    Reads one column of shards without the instance.
    """
    for folder in folders:
        if any(True for _ in shards.read_own(folder, "instances", "id", instance)):
            own = shards.read_own(folder, "matrices", "instance", instance)
            return {name: matrix for piece in own for _, name, matrix in arrays(piece)}
    return None
