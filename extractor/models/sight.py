"""What a model without an adapter sees and reads, found by gradients in one short text."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from ipgraph.extractor.models.files import one_line, quiet
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.labels import MAX_POSITION

Reads: TypeAlias = Literal["first", "last"]


class Sight(NamedTuple):
    """Which position a classifier reads, and whether no position sees a later one."""

    reads: Reads
    is_causal: bool


def longest_text(module: Any) -> int:
    """Return how many positions a model takes, as many as nodes can have where its config does not say."""
    named = getattr(module.config.get_text_config(), "max_position_embeddings", None) or 0
    longest = named if named > 0 else MAX_POSITION + 1
    tables = (part for part in module.modules() if isinstance(part, torch.nn.Embedding))
    # A table of positions with a row for padding gives positions from the row after it.
    starts = [t.padding_idx + 1 for t in tables if t.num_embeddings == longest and t.padding_idx is not None]
    return min(longest - max(starts, default=0), MAX_POSITION + 1)


@torch.enable_grad()
def sight_of(name: str, module: Any, ids: list[int]) -> Sight:
    """Return what a model sees of the text `ids`, at least two tokens of which none is padding.

    Raises UsageError where a classifier reads several positions or one in the middle, or the model cannot be
    run in its type.
    """
    device = next(module.parameters()).device
    try:
        with quiet(), _states(module, len(ids)) as states:
            logits = module(input_ids=torch.tensor([ids], device=device)).logits
    except RuntimeError as error:
        raise UsageError(f"model {name!r} could not be run in its dtype: {one_line(error)}") from error
    words, last = states[0], states[-1]
    (gradient,) = torch.autograd.grad(last.reshape(len(ids), -1)[0].sum(), words, retain_graph=True)
    is_causal = not _rows(gradient, len(ids))[1:].any()
    if logits.dim() == 3:
        return Sight("last" if is_causal else "first", is_causal)
    return Sight(_read_by(name, logits, states, len(ids)), is_causal)


def _read_by(name: str, logits: Tensor, states: list[Tensor], tokens: int) -> Reads:
    """Return the position of the last state before a classifier's logits that these depend on."""
    for state in reversed(states):
        (gradient,) = torch.autograd.grad(logits.sum(), state, retain_graph=True, allow_unused=True)
        if gradient is None:
            continue
        read = _rows(gradient, tokens).nonzero()[:, 0].tolist()
        if read in ([0], [tokens - 1]):
            return "first" if read == [0] else "last"
        break
    raise UsageError(
        f"the classifier of model {name!r} does not read the first or the last position alone; no method "
        "is defined for it here"
    )


def _rows(gradient: Tensor, tokens: int) -> Tensor:
    """Return at which of the tokens a gradient is not zero."""
    return gradient.reshape(tokens, -1).abs().sum(1) != 0


@contextmanager
def _states(module: Any, tokens: int) -> Iterator[list[Tensor]]:
    """Collect what parts of a model give for each token, in order, from the word embeddings on."""
    found: list[Tensor] = []

    def keep(_part: Any, _inputs: Any, output: Any) -> None:
        value = output[0] if isinstance(output, tuple) else output
        is_state = isinstance(value, Tensor) and value.requires_grad and value.dim() == 3
        if is_state and value.shape[:2].numel() == tokens:
            found.append(value)

    def begin(_part: Any, _inputs: Any, output: Tensor) -> Tensor:
        found.append(output.detach().requires_grad_())
        return found[-1].clone()  # which may be changed in place

    parts = list(module.modules())
    embeddings = module.get_input_embeddings()
    hooks = [embeddings.register_forward_hook(begin)]
    hooks += [part.register_forward_hook(keep) for part in parts if part is not embeddings]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
