"""What a run's shards are computed from, as plain data that lies in the run directory.

    job.json           a Job
    encoded.parquet    the encoded sentences in order: row group i is shard i

With these and access to the model, any machine can compute any shard.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.files import DEMOS
from ipgraph.extractor.models.loading import Model
from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.runs.directory import SHARD_INSTANCES, RunDirectory
from ipgraph.graphstore.schema.arrow import require_size
from ipgraph.graphstore.schema.records import Instance, columns

JOB, ENCODED = "job.json", "encoded.parquet"
_FIELDS = {field.name: field.name for field in fields(Encoded) if field.name != "instance"} | {
    "label": "class"
}
"""The column of each field of Encoded: the model's number of the class is not the dataset's label."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What determines the shards of a run, beside their sentences."""

    run: str  # its id
    model: str  # a demo's or hub model's name, an absolute folder, or an object's name: nobody else has it
    digest: str  # the model's; of a hub model its commit
    key: str  # the model's name in node ids
    task: str
    dtype: str
    options: Options
    batch_size: int | None  # sentences; None: as many as memory allows

    @classmethod
    def of(cls, run: str, model: Model, options: Options, batch_size: int | None) -> "Job":
        """Return the job of a run with a loaded model."""
        is_folder = model.name not in DEMOS and Path(model.name).is_dir()
        return cls(
            run=run,
            model=str(Path(model.name).absolute()) if is_folder else model.name,
            digest=model.digest,
            key=model.key,
            task=model.task,
            dtype=str(model.dtype).removeprefix("torch."),
            options=options,
            batch_size=batch_size,
        )

    @classmethod
    def read(cls, run: RunDirectory) -> "Job":
        """Return a run directory's job; raises IpgraphError where its file is damaged or another run's."""
        try:
            content = json.loads(run.read_file(JOB))
            job = cls(**content | {"options": Options(**content["options"])})
        except (TypeError, ValueError, KeyError, RecursionError) as error:
            raise IpgraphError(f"{run.path / JOB} is damaged: {error}") from error
        texts = (job.model, job.digest, job.key, job.task, job.dtype)
        sized = job.batch_size is None or (type(job.batch_size) is int and job.batch_size > 0)
        if job.run != run.id or not sized or not all(isinstance(text, str) for text in texts):
            raise IpgraphError(f"{run.path / JOB} is damaged: it is not the job of run {run.id}")
        return job

    def files(self, sentences: Sequence[Encoded]) -> dict[str, bytes]:
        """Return what a run directory keeps of a job and its sentences: file names and contents."""
        return {JOB: json.dumps(asdict(self), indent=1).encode(), ENCODED: _to_parquet(sentences)}


class Sentences:
    """A run's encoded sentences, read back shard by shard."""

    def __init__(self, run: RunDirectory):
        """Open a run's sentences; raises IpgraphError where their file is damaged."""
        where = run.path / ENCODED
        try:
            self._file = pq.ParquetFile(pa.BufferReader(run.read_file(ENCODED)))
        except pa.ArrowException as error:
            raise IpgraphError(f"{where} cannot be read as Parquet: {error}") from error
        require_size(self._file.metadata, where)
        lacking = {*columns(Instance), *_FIELDS.values()} - set(self._file.schema_arrow.names)
        if lacking or self._file.num_row_groups != run.manifest["shards"]:
            raise IpgraphError(f"{where} is damaged: it has not the sentences of {run.id} by shard")

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def __iter__(self) -> Iterator[Encoded]:
        for shard in range(self._file.num_row_groups):
            yield from self.shard(shard)

    def size(self, shard: int) -> int:
        """Return how many sentences a shard has."""
        return int(self._file.metadata.row_group(shard).num_rows)

    def shard(self, shard: int) -> list[Encoded]:
        """Return the sentences of a shard."""
        return [_to_encoded(row) for row in self._file.read_row_group(shard).to_pylist()]


def _to_parquet(sentences: Sequence[Encoded]) -> bytes:
    instances = {name: [getattr(s.instance, name) for s in sentences] for name in columns(Instance)}
    lists = {column: [getattr(s, name) for s in sentences] for name, column in _FIELDS.items()}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(instances | lists), sink, row_group_size=SHARD_INSTANCES, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _to_encoded(row: dict[str, Any]) -> Encoded:
    instance = Instance(**{name: row[name] for name in columns(Instance)})
    own = {name: row[column] for name, column in _FIELDS.items()}
    return Encoded(instance, **own | {"qoi_logits": tuple(row["qoi_logits"])})
