"""A finished run's patterns read back as arrays, and batches of them beside a new trace of the model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ipgraph.extractor.extraction.job import Sentences
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.memory import length_batches
from ipgraph.extractor.tracing.trace import Trace, trace_of
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.labels import parse_label
from ipgraph.graphstore.schema.records import Level, Prediction, levels_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_PLACES = ("input", "embedding")
"""Kinds of the nodes that say where a path is; the others say how it gets to the next."""


@dataclass(frozen=True)
class InstancePatterns:
    """One instance's patterns, by word position; words without a pattern have nan influences."""

    encoded: Encoded
    qoi: float
    points: int  # samples of the path from baseline to input
    label: int  # the class that is right; -1 where there are no classes that exclude each other
    wanted: int  # without such classes, the sign of a QoI by which the model is right
    total: Floats  # [N]
    positions: Ints  # [N, L + 1], from the word to the target
    choices: Ints | None  # [N, L], head or SKIP; None for a run of the embedding level
    influence: dict[Level, Floats]  # [N] each

    @property
    def real(self) -> npt.NDArray[np.bool_]:
        """Which words have a pattern."""
        return ~np.isnan(self.total)

    @property
    def positive(self) -> npt.NDArray[np.bool_]:
        """Which words are those of Pi_+: total influence >= 0."""
        return self.real & (self.total >= 0)


@dataclass(frozen=True)
class TracedBatch:
    """Some instances of a run with a trace of the model; tensors over padded positions."""

    trace: Trace
    index: Ints  # which instances of the run, [B]
    patterns: list[InstancePatterns]
    words: Tensor  # [B, N], every position
    positions: Tensor  # [B, N, L + 1]
    choices: Tensor | None  # [B, N, L]
    holds_first: bool  # position 0 never moves: it is no node that an ablation could remove
    real: Tensor  # [B, N], words with a pattern
    positive: Tensor  # [B, N], of Pi_+
    words_at_once: int  # what memory allows

    @property
    def inner(self) -> Tensor:
        """Which nodes of layers 1 to L - 1 can be kept or not, [B, L - 1, N]: those that the target hears."""
        heard = torch.stack(self.trace.reach, 1)[:, 1:-1]
        return heard & (torch.arange(heard.shape[-1], device=heard.device) >= self.holds_first)

    def chunks(self, nodes: int = 1) -> Iterator[slice]:
        """Yield slices of the words, as many at once as fit with so many nodes per layer."""
        size = max(1, self.words_at_once // nodes)
        for start in range(0, self.words.shape[1], size):
            yield slice(start, start + size)

    @property
    def keys(self) -> list[str]:
        """The instances' ids."""
        return [patterns.encoded.instance.id for patterns in self.patterns]


def read(run: RunDirectory, model: LoadedModel) -> list[InstancePatterns]:
    """Return the patterns of every instance of a run, in order.

    Raises UsageError where the run is not one of guided patterns, or another model made it.
    """
    if run.run.method != "gpr":
        raise UsageError(f"run {run.id} is of method {run.run.method!r}; evaluate starts from a run of 'gpr'")
    if run.manifest["settings"]["model"] != model.digest:
        raise UsageError(f"run {run.id} was made with model {run.run.model}, and this is {model.key}")
    if model.outputs == "numeric":
        raise UsageError(
            f"run {run.id} reads a number that model {model.name!r} gives, and no answer of it is right or "
            "wrong; ablated accuracy, which is measured first, needs classes"
        )
    depth = len(model.adapter.layers)
    instances = [
        _without_patterns(encoded, prediction, depth, run.run.level)
        for encoded, prediction in zip(Sentences(run), run.records("predictions"), strict=True)
    ]
    _fill({patterns.encoded.instance.id: patterns for patterns in instances}, run)
    return instances


def _without_patterns(encoded: Encoded, prediction: Prediction, depth: int, level: str) -> InstancePatterns:
    n = len(encoded.ids)
    positions = np.full((n, depth + 1), encoded.target)
    positions[:, 0] = np.arange(n)
    return InstancePatterns(
        encoded=encoded,
        qoi=prediction.qoi,
        points=prediction.points,
        label=prediction.label,
        wanted=1 if prediction.is_correct == (prediction.qoi > 0) else -1,
        total=np.full(n, np.nan),
        positions=positions,
        choices=None if level == "embedding" else np.zeros((n, depth), int),
        influence={name: np.full(n, np.nan) for name in levels_of(level)},
    )


def _fill(by_instance: dict[str, InstancePatterns], run: RunDirectory) -> None:
    columns = ("instance", "level", "position", "total_influence", "influence", "route")
    for table in run.tables("patterns"):
        for row in zip(*(table[name].to_pylist() for name in columns), strict=True):
            instance, level, word, total, influence, route = row
            patterns = by_instance[instance]
            patterns.total[word], patterns.influence[level][word] = total, influence
            nodes = [parse_label(label) for label in route.split()]
            patterns.positions[word] = [node.position for node in nodes if node.kind in _PLACES]
            if patterns.choices is not None and level == "attention":
                # A skip's head is 0 in a label, and SKIP here.
                patterns.choices[word] = [node.head - 1 for node in nodes if node.kind not in _PLACES]


def batches(
    instances: Sequence[InstancePatterns], model: LoadedModel, options: Options, sentences: int | None
) -> Iterator[TracedBatch]:
    """Yield every instance once, in batches of like lengths, each with its trace."""
    baseline = options.baseline_of(model)
    points = np.array([patterns.points for patterns in instances], int)
    for n_steps in sorted(set(points.tolist())):
        path, some = options.integration_path(model, n_steps), np.flatnonzero(points == n_steps)
        encoded = [instances[i].encoded for i in some.tolist()]
        for places, how in length_batches(model, encoded, len(path.points), sentences):
            index = some[places]
            chosen = [instances[i] for i in index.tolist()]
            # No name holds the trace: it is to be gone when the next batch asks how much memory is free.
            yield _traced(
                trace_of(model, [p.encoded for p in chosen], path, baseline, keep=how.keep),
                index,
                chosen,
                how.words,
                holds_first=baseline.holds_first,
            )


def _traced(
    trace: Trace, index: Ints, patterns: list[InstancePatterns], words_at_once: int, *, holds_first: bool
) -> TracedBatch:
    n, device = trace.size[2], trace.start.device

    def padded(arrays: Sequence[npt.NDArray[np.generic]]) -> Tensor:
        fill = [np.pad(a, [(0, n - len(a))] + [(0, 0)] * (a.ndim - 1)) for a in arrays]
        return torch.from_numpy(np.stack(fill)).to(device)

    choices = [p.choices for p in patterns if p.choices is not None]
    return TracedBatch(
        trace=trace,
        index=index,
        patterns=patterns,
        words=torch.arange(n, device=device).expand(len(patterns), -1),
        positions=padded([p.positions for p in patterns]),
        choices=padded(choices) if choices else None,
        holds_first=holds_first,
        real=padded([p.real for p in patterns]),
        positive=padded([p.positive for p in patterns]),
        words_at_once=words_at_once,
    )
