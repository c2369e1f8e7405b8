"""How much of the work fits in memory at once: sentences first, then words, then layers."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel, Model
from ipgraph.graphstore.common.errors import IpgraphError

_CPU_BATCH = 512 * 2**20
"""Bytes that a batch of several sentences takes on a CPU, where matrix products gain nothing from more."""
_SHARE = 0.5
"""Of the free memory, what one batch may take."""
_HEAP = 1.25
"""Bytes planned for each byte of tensors: freed blocks leave gaps, and recomputed layers overlap the search.

With glibc, tensors below 32 MiB can leave more gaps: 1.9 times was seen, where tensors took 0.28 GiB.
"""
_GROUPS = Path("/sys/fs/cgroup")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
"""What version 1 calls a control group's limit, what is used of it, and what of that can be given back."""
_SHORT = re.compile("tried to allocate|CUDA error: out of memory|ALLOC_FAILED", re.IGNORECASE)
"""What torch's allocators, CUDA and its libraries say where memory runs out."""
_ADVICE = "use a smaller batch size, or extract with fewer points (n_steps) or shorter sentences (max_tokens)"


@dataclass(frozen=True)
class Plan:
    """Sentences per batch, words (or other paths) at a time, and whether every layer's state is kept."""

    sentences: int
    words: int
    keep: bool


def plan(
    model: LoadedModel,
    positions: int,
    samples: int,
    *,
    sentences: int | None = None,
    budget: int | None = None,
) -> Plan:
    """Return how to work on sentences of that many positions within `budget` bytes.

    By default that is half of what is free. On a CPU, where `sentences` is not given, a batch of several
    takes no more than gains time. Raises IpgraphError, naming the memory needed, where even one word of one
    sentence does not fit.
    """
    room = budget if budget is not None else _room(model)
    at_least = sentences or 1
    for keep in (True, False):
        sizes = _Sizes.of(model, positions, samples, keep)
        at_once = at_least * sizes.bytes(positions)
        if at_once <= room:
            worth = min(room, _CPU_BATCH) if model.device.type == "cpu" else room
            return Plan(sentences or max(1, worth // at_once), positions, keep)
        for words in range(positions - 1, 0, -1):
            if at_least * sizes.bytes(words) <= room:
                return Plan(at_least, words, keep)
    needed = at_least * sizes.bytes(1)
    raise IpgraphError(
        f"{at_least} sentence(s) of {positions} tokens with {samples} samples need "
        f"{needed / 2**30:.3g} GiB on {model.device} and {room / 2**30:.3g} GiB can be had; "
        f"{_ADVICE}"
    )


def length_batches(
    model: LoadedModel, sentences: Sequence[Encoded], samples: int, batch_size: int | None
) -> Iterator[tuple[list[int], Plan]]:
    """Yield the indices of each batch's sentences, and its plan for memory.

    The longest come first, so that memory is claimed once. A batch is planned when it is asked for: the
    memory of the one before should be free by then.
    """
    left = sorted(range(len(sentences)), key=lambda index: -len(sentences[index].ids))
    while left:
        length = len(sentences[left[0]].ids)
        size = plan(model, length, samples, sentences=batch_size).sentences
        batch, left = left[:size], left[size:]
        yield batch, plan(model, length, samples, sentences=len(batch))


def sentence_bytes(model: LoadedModel, positions: int, samples: int, how: Plan) -> int:
    """Return about how many bytes one sentence takes by a plan, beside the model's weights."""
    return _Sizes.of(model, positions, samples, how.keep).bytes(min(how.words, positions))


@contextmanager
def out_of_memory_as_error(model: Model) -> Iterator[None]:
    """Raise IpgraphError, which says what to do, where there is less memory than was planned with."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _SHORT.search(str(error)):
            raise
        raise IpgraphError(f"{model.device} is out of memory: {_ADVICE}") from error


def _room(model: LoadedModel) -> int:
    if model.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(model.device)
        return int(_SHARE * (free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()))
    return int(_SHARE * min([psutil.virtual_memory().available, *_limits(), *_group_limits(_own_groups())]))


def _limits() -> Iterator[int]:
    """Yield what the process may still take by its own limit (`ulimit -v`), if it has one."""
    process = psutil.Process()
    if hasattr(process, "rlimit"):
        soft, _ = process.rlimit(psutil.RLIMIT_AS)
        if soft != psutil.RLIM_INFINITY:
            yield max(0, soft - process.memory_info().vms)


def _group_limits(groups: str, root: Path = _GROUPS) -> Iterator[int]:
    """Yield what the control groups of a process and those around them may still take, if they are limited.

    A container or a batch job has such a group; `groups` is what /proc/self/cgroup says.
    """
    for line in groups.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, limit, used, cache = root, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            top, limit, used, cache = root / "memory", *_V1
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            try:
                most, now, facts = (
                    (folder / name).read_text(encoding="utf-8").strip()
                    for name in (limit, used, "memory.stat")
                )
            except OSError:
                continue
            if most != "max":
                spare = dict(fact.split() for fact in facts.splitlines())[cache]
                yield max(0, int(most) - int(now) + int(spare))


def _own_groups() -> str:
    try:
        return Path("/proc/self/cgroup").read_text(encoding="utf-8")
    except OSError:  # not Linux
        return ""


@dataclass(frozen=True)
class _Sizes:
    """The bytes of one sentence: what is held of its layers and words, and what comes and goes beside it."""

    trace: int  # all the time
    layer: int  # while a layer is run
    along: int  # the gradients along one word's path
    search: int  # while one word moves through a layer

    @classmethod
    def of(cls, model: LoadedModel, positions: int, samples: int, keep: bool) -> "_Sizes":
        """Return the sizes of a sentence from those of the adapter; see LayerState, Trace and Move."""
        adapter = model.adapter
        hidden, depth, mixings = adapter.hidden, len(adapter.layers), [x.mixing for x in adapter.layers]
        contexts = [mixing.widths[0] for mixing in mixings]
        rows = [mixing.heads * positions for mixing in mixings]
        # P, the gradient at its logits and, under a cap, the slope.
        attention = [(2 if m.cap is None else 3) * row for m, row in zip(mixings, rows, strict=True)]
        # Queries, keys, values, contexts and their gradients, and what the blocks save, of each layer.
        states = [
            sum(mixing.widths) + 2 * context + hidden + saved + row
            for mixing, context, saved, row in zip(mixings, contexts, adapter.saved, attention, strict=True)
        ]
        # Inputs and gradients of all layers, and two states where none is kept: one goes as the next comes.
        trace = (2 * depth + 2) * hidden + (sum(states) if keep else 2 * max(states))
        layer = 8 * hidden + max(adapter.saved) + max(adapter.differentiated) + 2 * max(rows)
        # Keys and values count as often as there are heads, whatever groups share them.
        search = 6 * hidden + 8 * max(contexts) + 2 * max(adapter.saved) + 2 * max(rows) + max(attention)
        unit = _HEAP * samples * torch.finfo(model.dtype).bits // 8
        values = (trace * positions, layer * positions, sum(contexts) + depth * hidden, search)
        return cls(*(int(count * unit) for count in values))

    def bytes(self, words: int) -> int:
        """Return the bytes at the peak of a search for that many words at once."""
        return self.trace + self.along * words + max(self.layer, self.search * words)
