"""A shard of a run directory, read back from its files."""

import pyarrow.parquet as pq

from ipgraph.graphstore.runs.directory import RunDirectory, Shard
from ipgraph.graphstore.schema.tables import record_of, sharded


def read_shard(run: RunDirectory, index: int) -> Shard:
    """Return the records of one shard."""
    folder = run.path / "shards" / f"{index:05d}"
    rows = {
        name: [record_of(name)(**row) for row in pq.read_table(folder / f"{name}.parquet").to_pylist()]
        for name in sharded()
    }
    further = {name: rows.pop(name) for name in list(rows) if name not in Shard.__dataclass_fields__}
    return Shard(**rows, further=further)
