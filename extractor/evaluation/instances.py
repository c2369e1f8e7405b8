"""A finished run's patterns read back as arrays, and batches of them beside a new trace of the model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ipgraph.extractor.datasets import Example
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.models.encoding import Encoded, encode
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.batch import pad
from ipgraph.extractor.tracing.memory import plan
from ipgraph.extractor.tracing.sets import SKIP
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.labels import LABEL_WIDTH
from ipgraph.graphstore.schema.records import Level, Prediction

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Guided:
    """One instance's patterns, by word position; words without a pattern have nan influences."""

    one: Encoded
    qoi: float
    wanted: int  # the sign of a QoI by which the model is right
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
class Traced:
    """Some instances of a run with a trace of the model; tensors over padded positions."""

    trace: Trace
    index: Ints  # which instances of the run, [B]
    guided: list[Guided]
    words: Tensor  # [B, N], every position
    positions: Tensor  # [B, N, L + 1]
    choices: Tensor | None  # [B, N, L]
    real: Tensor  # [B, N], words with a pattern
    positive: Tensor  # [B, N], of Pi_+
    words_at_once: int  # what memory allows

    def chunks(self, nodes: int = 1) -> Iterator[slice]:
        """Yield slices of the words, as many at once as fit with so many nodes a layer."""
        size = max(1, self.words_at_once // nodes)
        for start in range(0, self.words.shape[1], size):
            yield slice(start, start + size)

    @property
    def keys(self) -> list[str]:
        """The instances' ids."""
        return [guided.one.instance.id for guided in self.guided]


def read(run: RunDirectory, model: LoadedModel) -> list[Guided]:
    """Return the patterns of every instance of a run, in order.

    Raises UsageError where the run is not one of guided patterns, or another model made it.
    """
    if run.run.method != "gpr":
        raise UsageError(
            f"run {run.id} holds patterns of method {run.run.method!r}; evaluate starts from one of 'gpr'"
        )
    if run.manifest["settings"]["model"] != model.digest:
        raise UsageError(f"run {run.id} was made with model {run.run.model}, and this is {model.key}")
    examples = [Example(instance) for instance in run.records("instances")]
    encoded, skipped = encode(model, examples, qoi=run.run.qoi, allow_unk=True)
    if skipped:
        raise IpgraphError(f"run {run.id} has an instance that its model cannot read: {skipped[0].reason}")
    depth = len(model.adapter.layers)
    found = [
        _empty(replace(one, roles=prediction.roles), prediction, depth, run.run.level)
        for one, prediction in zip(encoded, run.records("predictions"), strict=True)
    ]
    _fill({guided.one.instance.id: guided for guided in found}, run)
    return found


def _empty(one: Encoded, prediction: Prediction, depth: int, level: str) -> Guided:
    if one.tokens != prediction.tokens:
        raise IpgraphError(f"the tokenizer no longer reads instance {one.instance.id} as its run did")
    n = len(one.ids)
    positions = np.full((n, depth + 1), one.target)
    positions[:, 0] = np.arange(n)
    levels: tuple[Level, ...] = ("embedding", "attention")
    return Guided(
        one=one,
        qoi=prediction.qoi,
        wanted=1 if prediction.is_correct == (prediction.qoi > 0) else -1,
        total=np.full(n, np.nan),
        positions=positions,
        choices=None if level == "embedding" else np.zeros((n, depth), int),
        influence={name: np.full(n, np.nan) for name in levels if level in (name, "both")},
    )


def _fill(by_instance: dict[str, Guided], run: RunDirectory) -> None:
    for table in run.tables("patterns"):
        names = ("instance", "level", "position", "total_influence", "influence", "route")
        for instance, level, word, total, influence, route in zip(
            *(table[name].to_pylist() for name in names), strict=True
        ):
            guided = by_instance[instance]
            guided.total[word], guided.influence[level][word] = total, influence
            labels = [route[at : at + LABEL_WIDTH] for at in range(0, len(route), LABEL_WIDTH + 1)]
            stride = 1 if level == "embedding" else 2
            guided.positions[word] = [int(label[7:]) for label in labels[::stride]]
            if level == "attention" and guided.choices is not None:
                guided.choices[word] = [
                    SKIP if label[0] == "s" else int(label[4:6]) - 1 for label in labels[1::2]
                ]


def batches(
    guided: Sequence[Guided], model: LoadedModel, options: Options, sentences: int | None
) -> Iterator[Traced]:
    """Yield every instance once, in batches of like lengths, each with its trace."""
    integration_path, baseline = options.integration_path(model), options.baseline_embedding(model)
    left = sorted(range(len(guided)), key=lambda i: -len(guided[i].one.ids))
    while left:
        longest = len(guided[left[0]].one.ids)
        how = plan(model, longest, len(integration_path.points), sentences=sentences)
        index, left = left[: how.sentences], left[how.sentences :]
        some = [guided[i] for i in index]
        batch = pad(model, [g.one for g in some])
        # No name holds the trace: it is to be gone when the next batch asks how much memory is free.
        yield _traced(
            Trace(model.adapter, batch, integration_path, baseline, keep=how.keep),
            np.array(index),
            some,
            how.words,
        )


def _traced(trace: Trace, index: Ints, some: list[Guided], words_at_once: int) -> Traced:
    n, device = trace.size[2], trace.start.device

    def padded(arrays: Sequence[npt.NDArray[np.generic]]) -> Tensor:
        fill = [np.pad(a, [(0, n - len(a))] + [(0, 0)] * (a.ndim - 1)) for a in arrays]
        return torch.from_numpy(np.stack(fill)).to(device)

    choices = [g.choices for g in some if g.choices is not None]
    return Traced(
        trace=trace,
        index=index,
        guided=some,
        words=torch.arange(n, device=device).expand(len(some), -1),
        positions=padded([g.positions for g in some]),
        choices=padded(choices) if choices else None,
        real=padded([g.real for g in some]),
        positive=padded([g.positive for g in some]),
        words_at_once=words_at_once,
    )
