"""A shard of a run directory, read back from its files."""

import pyarrow.parquet as pq

from ipgraph.graphstore.runs.directory import RunDirectory, Shard
from ipgraph.graphstore.schema.records import SHARD_TABLES


def read_shard(run: RunDirectory, index: int) -> Shard:
    """Return the records of one shard."""
    folder = run.path / "shards" / f"{index:05d}"
    return Shard(
        **{
            name: [record(**row) for row in pq.read_table(folder / f"{name}.parquet").to_pylist()]
            for name, record in SHARD_TABLES.items()
        }
    )
