"""What decoders share: causal heads, the words alone move, a final norm, the classifier on the last token."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ipgraph.extractor.models.adapter import Adapter, Architecture, Layer
from ipgraph.extractor.models.blocks import Block, Identity, Rotary
from ipgraph.extractor.models.heads import class_logits, vocabulary_logits
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.labels import MAX_POSITION


def decoder_adapter(
    model: Any,
    *,
    words: Tensor,
    layers: tuple[Layer, ...],
    norm: Block,
    offset: Callable[[Tensor], Tensor] | None = None,
    cap: float | None = None,
) -> Adapter:
    """Return the adapter of a causal language model or of a classifier that reads the last token.

    `norm` comes after the last layer; `cap` is that of the vocabulary's logits. Raises UsageError where
    positions see those after them.
    """
    if getattr(model.config, "use_bidirectional_attention", None):
        raise UsageError("the model's positions see those after them (use_bidirectional_attention)")
    if hasattr(model, "score"):
        logits = class_logits(lambda h: model.score(norm(h)[0]))
    else:
        logits = vocabulary_logits(lambda h: norm(h)[0], model.lm_head, cap)
    return Adapter(
        words=words,
        max_positions=positions_of(model.config),
        offset=offset or (lambda types: words.new_zeros(*types.shape, words.shape[1])),
        enter=Identity(),
        layers=layers,
        logits=logits,
        reads="last",
    )


def entries(
    adapter: Callable[[Any], Adapter],
    model_type: str,
    *,
    causal: str,
    classifier: str,
    head: str = "lm_head.",
) -> dict[str, Architecture]:
    """Return a family's two classes of transformers, as `ARCHITECTURES` lists them.

    `head` is how the names of the vocabulary head's weights begin in files.
    """
    return {
        causal: Architecture("causal-lm", adapter, model_type, head),
        classifier: Architecture("classifier", adapter, model_type, "score."),
    }


def positions_of(config: Any) -> int:
    """Return how many positions a model takes, as many as nodes can have.

    Where long texts change the angles of all positions, those for which the short ones hold.
    """
    longest = min(int(config.max_position_embeddings), MAX_POSITION + 1)
    angles = getattr(config, "rope_parameters", None) or {}
    if angles.get("rope_type") == "longrope":
        return min(longest, int(angles["original_max_position_embeddings"]))
    return longest


@torch.no_grad()
def rotary_of(module: Any, config: Any, words: Tensor, size: int, *kind: str) -> Rotary:
    """Return the rotation of heads of `size` units by a model's own rotary module.

    `kind` is the type of layer, where angles differ by it.
    """
    positions = torch.arange(positions_of(config), device=words.device)[None]
    cos, sin = module(words[:1, None], positions, *kind)
    return Rotary(cos[0], sin[0], size)
