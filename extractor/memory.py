"""How much of the work fits in memory at once: sentences first, then words, then layers."""

from dataclasses import dataclass

import psutil
import torch

from ipgraph.extractor.models import LoadedModel
from ipgraph.graphstore.errors import IpgraphError

_CPU_BATCH = 512 * 2**20
"""Bytes that a batch of several sentences takes on a CPU, where matrix products gain nothing from more."""
_SHARE = 0.5
"""Of the free memory, what one batch may take."""


@dataclass(frozen=True)
class Plan:
    """Sentences a batch, words (or other paths) at a time, and whether every layer's state is kept."""

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
        "use a smaller --batch-size, fewer --n-steps or a smaller --max-tokens"
    )


def _room(model: LoadedModel) -> int:
    if model.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(model.device)
        return int(_SHARE * (free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()))
    return int(_SHARE * psutil.virtual_memory().available)


def _bytes(model: LoadedModel, positions: int, samples: int, keep: bool) -> tuple[int, int]:
    """Return about how many bytes one sentence takes: for its layers, and for each word's tangents."""
    config = model.module.config
    hidden, depth = config.hidden_size, config.num_hidden_layers
    wide = config.intermediate_size / hidden
    attention = config.num_attention_heads * positions / hidden
    # In units of one value a position and unit of the hidden size: see LayerState, Trace and Hop.
    state = 11 + wide + 2 * attention
    layers = (depth if keep else 1) * state + 2 * depth + 8 + wide + 2 * attention
    word = 2 * depth + 16 + 3 * wide + 6 * attention
    unit = samples * hidden * torch.finfo(model.dtype).bits // 8
    return int(layers * positions * unit), int(word * unit)
