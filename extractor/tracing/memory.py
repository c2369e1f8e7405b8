"""How much of the work fits in memory at once: sentences first, then words, then layers."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel, Model
from ipgraph.graphstore.common.errors import IpgraphError

_CPU_BATCH = 512 * 2**20
"""Bytes that a batch of several sentences takes on a CPU, where matrix products gain nothing from more."""
_SHARE = 0.5
"""Of the free memory, what one batch may take."""
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
    for keep in (True, False):
        fixed, word = _bytes(model, positions, samples, keep)
        at_once = (sentences or 1) * (fixed + word * positions)
        if at_once <= room:
            worth = min(room, _CPU_BATCH) if model.device.type == "cpu" else room
            return Plan(sentences or max(1, worth // at_once), positions, keep)
        if (spare := room - (sentences or 1) * fixed) >= (sentences or 1) * word:
            return Plan(sentences or 1, int(spare // ((sentences or 1) * word)), keep)
    needed = (fixed + word) * (sentences or 1)
    raise IpgraphError(
        f"{sentences or 1} sentence(s) of {positions} tokens with {samples} samples need "
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
    fixed, word = _bytes(model, positions, samples, how.keep)
    return fixed + word * min(how.words, positions)


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


def _bytes(model: LoadedModel, positions: int, samples: int, keep: bool) -> tuple[int, int]:
    """Return about how many bytes one sentence takes: for its layers, and for each word's tangents."""
    adapter, depth = model.adapter, len(model.adapter.layers)
    sizes = [_layer_sizes(adapter, index, positions) for index in range(depth)]
    largest, kept = max(sum(s) for s in sizes), sum(sum(s) for s in sizes)
    saved, attention = max(s[1] for s in sizes), max(s[2] for s in sizes)
    # In values of a position and sample: see LayerState, Trace and Move.
    layers = (kept if keep else largest) + (2 * depth + 6) * adapter.hidden + saved + attention
    word = (2 * depth + 10) * adapter.hidden + 3 * (saved + attention)
    unit = samples * torch.finfo(model.dtype).bits // 8
    return int(layers * positions * unit), int(word * unit)


def _layer_sizes(adapter: Adapter, index: int, positions: int) -> tuple[int, int, int]:
    """Return a layer's values of one position: vectors, what its blocks save, and rows of attention."""
    mixing = adapter.layers[index].mixing
    rows = 2 if mixing.cap is None else 3
    vectors = sum(mixing.widths) + 2 * mixing.widths[0] + 4 * adapter.hidden
    return vectors, adapter.saved[index], rows * mixing.heads * positions
