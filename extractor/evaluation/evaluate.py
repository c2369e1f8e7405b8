"""`evaluate`: a finished run of guided patterns in, measures with intervals out, kept with the run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ipgraph.extractor.evaluation.comparison import Compared, Comparison
from ipgraph.extractor.evaluation.estimates import Collected, Ints, estimate
from ipgraph.extractor.evaluation.instances import InstancePatterns, TracedBatch, batches, read
from ipgraph.extractor.evaluation.metrics import add_skip_share
from ipgraph.extractor.evaluation.positions import entropy_measures
from ipgraph.extractor.evaluation.searches.figures import Searches, add_searches
from ipgraph.extractor.evaluation.searches.wider import exhaustive_width
from ipgraph.extractor.extraction.batching import batch_sentences
from ipgraph.extractor.extraction.job import Job
from ipgraph.extractor.methods.catalogue import COMPARABLE, COMPARED, method_named
from ipgraph.extractor.models.files import COMMIT_LENGTH, DEMOS
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.extractor.models.objects import OBJECT
from ipgraph.extractor.tracing.memory import out_of_memory_as_error
from ipgraph.graphstore.common.bootstrap import RESAMPLES, Bootstrap
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.graph import GraphShape
from ipgraph.graphstore.schema.records import Measure

Progress = Callable[[int, int], None]
DRAWS = 50
"""Random sets of nodes that are ablated unless another number is named."""


def evaluate(
    run: RunDirectory,
    *,
    model: LoadedModel | None = None,
    methods: Sequence[str] = COMPARED,
    searches: Searches | None = None,
    draws: int = DRAWS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | str = "auto",
    on_progress: Progress | None = None,
) -> list[Measure]:
    """Measure a finished run of guided patterns, keep the measures with it and return them.

    `methods` are compared with guided patterns; `draws` random sets of nodes are ablated; intervals come
    from `resamples` bootstrap samples of instances. The model is the run's own, loaded again unless given.
    Raises UsageError where the run is not one that can be evaluated.
    """
    _check(methods, draws, resamples)
    searches = searches or Searches()
    model = model or model_of(run, device=device)
    instances = read(run, model)
    searched = _searched(len(instances), searches, seed)
    _refuse_too_many_paths(model, instances, searched, searches)
    collected = Collected(len(instances))
    compared = Compared(methods=methods, draws=draws, nodes_per_layer=searches.nodes_per_layer, seed=seed)
    comparison = Comparison(collected, instances, compared)

    def add_search(batch: TracedBatch) -> None:
        add_searches(collected, batch, searches, seed)

    add_skip_share(collected, instances)
    everything = np.arange(len(instances))
    passes = ((everything, comparison.add), (searched, add_search))
    with torch.no_grad(), out_of_memory_as_error(model):
        _trace_each(run, model, instances, passes, batch_sentences(batch_size), on_progress)
    groups, bootstrap = _groups(instances), Bootstrap(resamples, seed)
    graph = GraphShape.from_json(run.run.graph)
    measures = estimate(run.id, collected, groups, bootstrap) + entropy_measures(
        run.id, instances, comparison.paths, groups, graph=graph, bootstrap=bootstrap
    )
    run.write_measures(measures)
    return measures


def model_of(
    run: RunDirectory, name: str = "", revision: str | None = None, device: str = "auto"
) -> LoadedModel:
    """Load the model that a run was made with, from where it came from then, or from `name`.

    Raises UsageError where the folder it came from is not there.
    """
    job = Job.read(run)
    options = {"task": job.task, "device": device, "dtype": job.dtype}
    if name:
        return load_model(name, revision=revision, **options)
    if job.model.startswith(OBJECT):
        raise UsageError(
            f"run {run.id} was made with the model object {job.model!r}, which has no files; pass "
            "the object, loaded by `load_model`, as the model"
        )
    is_commit = len(job.digest) == COMMIT_LENGTH
    if not is_commit and job.model not in DEMOS and not Path(job.model).is_dir():
        raise UsageError(
            f"run {run.id} was made with the model in the folder {job.model!r}, which is not here; "
            "name its folder as the model"
        )
    return load_model(job.model, revision=job.digest if is_commit else None, **options)


def _check(methods: Sequence[str], draws: int, resamples: int) -> None:
    for name in methods:
        method_named(name, COMPARABLE)
    if draws < 2 or resamples < 2:
        raise UsageError(f"draws is {draws} and resamples is {resamples}; both are at least 2")


def _searched(instances: int, searches: Searches, seed: int) -> Ints:
    """Return the instances that wider searches look at, chosen by the seed."""
    count = min(searches.instances, instances) if searches.any_search else 0
    return np.sort(np.random.default_rng(seed).permutation(instances)[:count])


def _refuse_too_many_paths(
    model: LoadedModel, instances: Sequence[InstancePatterns], searched: Ints, searches: Searches
) -> None:
    """Raise UsageError, before any work, where an exhaustive search would look at too many paths."""
    if searches.exhaustive:
        length = max(len(instances[i].encoded.ids) for i in searched)
        for level in instances[0].influence:
            exhaustive_width(level, len(model.adapter.layers), model.adapter.heads, length)


Pass = tuple[Ints, Callable[[TracedBatch], None]]
"""Which instances are traced, and what is done with each batch of them."""


def _trace_each(
    run: RunDirectory,
    model: LoadedModel,
    instances: Sequence[InstancePatterns],
    passes: Sequence[Pass],
    sentences: int | None,
    on_progress: Progress | None,
) -> None:
    options = Job.read(run).options
    done, total = 0, sum(len(part) for part, _ in passes)
    for part, add in passes:
        for batch in batches([instances[i] for i in part], model, options, sentences):
            add(replace(batch, index=part[batch.index]))
            done += len(batch.patterns)
            del batch  # and its trace, see `batches`
            if on_progress is not None:
                on_progress(done, total)


def _groups(instances: Sequence[InstancePatterns]) -> dict[str, Ints]:
    """Return which instances each grouping has: the whole run, "", and its subtasks where it has several."""
    subtasks = np.array([patterns.encoded.instance.subtask for patterns in instances])
    groups = {"": np.arange(len(subtasks))}
    if len(set(subtasks)) > 1:
        groups |= {str(name): np.flatnonzero(subtasks == name) for name in sorted(set(subtasks) - {""})}
    return groups
