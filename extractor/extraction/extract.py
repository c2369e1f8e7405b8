"""`extract`: a model and a dataset in, a finished run directory of influence patterns out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from ipgraph.extractor.datasets import Dataset, Skipped, load, subset
from ipgraph.extractor.extraction.identity import environment, fields, settings
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.extraction.records import add_patterns, predictions, require_finite
from ipgraph.extractor.methods.registry import path_method
from ipgraph.extractor.models.encoding import Encoded, encode
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.extractor.tracing.batch import pad
from ipgraph.extractor.tracing.memory import out_of_memory_as_error, plan
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.runs.directory import SHARD_INSTANCES, RunDirectory, Shard

Progress = Callable[[int, int], None]


def extract(
    model: str | Path | LoadedModel = "demo",
    dataset: str | Path | Dataset = "sva-obj",
    *,
    runs_dir: str | Path = "runs",
    method: str = "gpr",
    level: str = "both",
    qoi: str = "correct-wrong",
    baseline: str = "mask",
    n_steps: int = 50,
    quadrature: str = "uniform",
    limit: int | None = None,
    seed: int = 0,
    max_tokens: int | None = None,
    strict: bool = False,
    allow_unk: bool = False,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int | str = "auto",
    on_progress: Progress | None = None,
) -> RunDirectory:
    """Extract every word's influence patterns and return the run directory that holds them.

    The same request finds its own directory again: finished shards are kept, and a finished run is returned
    at once. `limit` keeps that many usable instances, evenly over conditions; `max_tokens` leaves out longer
    sentences; `batch_size` is in sentences, or "auto" for what free memory allows; `on_progress` is called
    with (instances done, all). Raises UsageError for a request that cannot be met, IpgraphError for a model
    that gives NaN or a shard that cannot be written.
    """
    began = time.monotonic()
    sentences = batch_sentences(batch_size)
    options = Options(
        method=method, level=level, qoi=qoi, baseline=baseline, n_steps=n_steps, quadrature=quadrature
    )
    if not isinstance(model, LoadedModel):
        model = load_model(model, revision=revision, device=device, dtype=dtype)
    options.require_for(model)
    if not isinstance(dataset, Dataset):
        dataset = load(dataset, seed=seed, strict=strict, task=model.task)
    chosen, skipped = _choose(model, dataset, qoi, limit, seed, max_tokens, strict, allow_unk)
    run = RunDirectory.create(
        runs_dir,
        settings(model, options, chosen),
        fields=fields(model, options, dataset.name),
        environment=environment(model, batch_size, seed),
        shards=-(-len(chosen) // SHARD_INSTANCES),
        skipped=[asdict(row) for row in skipped],
    )
    # A run that is resumed keeps the model's name in its node ids, whatever the folder is called by now.
    model = replace(model, key=run.manifest["run"]["model"])
    missing = run.missing()
    if run.is_complete and not missing:
        return run
    shards = {i: chosen[i * SHARD_INSTANCES : (i + 1) * SHARD_INSTANCES] for i in missing}
    _Work(run, model, options, sentences, on_progress).finish(shards, len(chosen))
    run.finish(seconds=time.monotonic() - began)
    return run


def batch_sentences(batch_size: int | str) -> int | None:
    """Return how many sentences a batch has, None where memory decides; raises UsageError for neither."""
    if batch_size == "auto":
        return None
    if not str(batch_size).isdecimal() or int(batch_size) < 1:
        raise UsageError(f"batch size {batch_size!r} is neither a number of sentences from 1 nor 'auto'")
    return int(batch_size)


def _choose(
    model: LoadedModel,
    dataset: Dataset,
    qoi: str,
    limit: int | None,
    seed: int,
    max_tokens: int | None,
    strict: bool,
    allow_unk: bool,
) -> tuple[list[Encoded], list[Skipped]]:
    """Return the encoded instances to work on, and every row that could not be used."""
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} instances leaves nothing to do; give 1 or more")
    if dataset.examples and dataset.task != model.task:
        raise UsageError(
            f"dataset {dataset.name!r} is made for a {dataset.task} model, "
            f"and model {model.name!r} is a {model.task}"
        )
    encoded, skipped = encode(model, dataset.examples, qoi=qoi, allow_unk=allow_unk, max_tokens=max_tokens)
    if skipped and strict:
        raise UsageError(f"{skipped[0].where}: {skipped[0].reason}")
    skipped = [*dataset.skipped, *skipped]
    if limit is not None:
        usable = {one.instance.id for one in encoded}
        kept = subset([e for e in dataset.examples if e.instance.id in usable], limit, seed)
        wanted = {example.instance.id for example in kept}
        encoded = [one for one in encoded if one.instance.id in wanted]
    if not encoded:
        first = "".join(f"; {row.where}: {row.reason}" for row in skipped[:3])
        more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        raise UsageError(
            f"dataset {dataset.name!r} has no row that model {model.name!r} can use{first}{more}"
        )
    return encoded, skipped


@dataclass
class _Work:
    """How the shards of a run are computed."""

    run: RunDirectory
    model: LoadedModel
    options: Options
    batch_size: int | None
    on_progress: Progress | None

    def __post_init__(self) -> None:
        self.integration_path = self.options.integration_path(self.model)
        self.baseline = self.options.baseline_embedding(self.model)

    def finish(self, shards: dict[int, list[Encoded]], total: int) -> None:
        """Compute and write the shards that are missing of `total` instances."""
        done = total - sum(len(instances) for instances in shards.values())
        for index, instances in shards.items():
            shard = Shard()
            for batch in self._batches(instances):
                with out_of_memory_as_error(self.model):
                    self._add(shard, batch)
                done += len(batch)
                if self.on_progress is not None:
                    self.on_progress(done, total)
            _restore_order(shard, instances)
            self.run.write_shard(index, shard)

    def _batches(self, instances: list[Encoded]) -> Iterator[list[Encoded]]:
        """Yield batches of like lengths, the longest first so that memory is claimed once."""
        left = sorted(instances, key=lambda one: -len(one.ids))
        while left:
            size = plan(
                self.model, len(left[0].ids), len(self.integration_path.points), sentences=self.batch_size
            ).sentences
            yield left[:size]
            left = left[size:]

    @torch.no_grad()
    def _add(self, shard: Shard, batch: list[Encoded]) -> None:
        """Trace a batch and add what it finds to the shard."""
        padded = pad(self.model, batch)
        how = plan(self.model, padded.ids.shape[1], len(self.integration_path.points), sentences=len(batch))
        trace = Trace(self.model.adapter, padded, self.integration_path, self.baseline, keep=how.keep)
        require_finite(batch, trace)
        shard.instances += [one.instance for one in batch]
        shard.predictions += predictions(self.run.id, batch, trace, self.options.qoi)
        keys = [one.instance.id for one in batch]
        words = torch.arange(padded.ids.shape[1], device=self.model.device)
        for some in torch.split(words, how.words):
            sources = some.expand(len(batch), -1)
            for paths in path_method(self.options.method).refine(trace, sources, keys, self.options.levels):
                add_patterns(shard, self.run.id, self.model, batch, trace, paths)


def _restore_order(shard: Shard, instances: list[Encoded]) -> None:
    """Put a shard's rows in the order of its instances, levels and positions, whatever the batches were."""
    place = {one.instance.id: index for index, one in enumerate(instances)}
    shard.instances.sort(key=lambda row: place[row.id])
    shard.predictions.sort(key=lambda row: place[row.instance])
    order = {"embedding": 0, "attention": 1}
    shard.patterns.sort(key=lambda row: (place[row.instance], order[row.level], row.position))
    rank = {row.id: index for index, row in enumerate(shard.patterns)}
    shard.steps.sort(key=lambda row: rank[row.pattern])
