"""What encoders share: positions and types beside the words, norms after each branch."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ipgraph.extractor.models.adapter import Adapter, Architecture, Layer, Mixing
from ipgraph.extractor.models.blocks import Activation, Block, LayerNorm, Linear
from ipgraph.extractor.models.composites import Chain, Residual
from ipgraph.extractor.models.heads import Logits, class_logits


def encoder_adapter(
    embeddings: Any,
    layers: tuple[Layer, ...],
    logits: Logits,
    *,
    first: int = 0,
    projection: Any = None,
) -> Adapter:
    """Return the adapter of a model with learned positions and a norm of the sum of embeddings.

    `first` is the row of the position table that the first position has; `projection` is the map from the
    embeddings' units to those of the layers, where they differ.
    """
    positions: Tensor = embeddings.position_embeddings.weight[first:].detach()
    has_types = hasattr(embeddings, "token_type_embeddings")
    by_type = embeddings.token_type_embeddings.weight.detach() if has_types else positions.new_zeros(1, 1)

    def offset(types: Tensor) -> Tensor:
        here = positions[: types.shape[1]]
        return here + by_type[types] if has_types else here.expand(*types.shape, -1)

    norm = LayerNorm.of(embeddings.LayerNorm)
    enter: Block = norm if projection is None else Chain((norm, Linear.of(projection)))
    return Adapter(
        words=embeddings.word_embeddings.weight.detach(),
        max_positions=len(positions),
        offset=offset,
        enter=enter,
        layers=layers,
        logits=logits,
    )


def post_norm_layer(
    projections: Sequence[Any],
    heads: int,
    out: Any,
    feed_forward: tuple[Any, Callable[[Tensor], Tensor], Any],
    norms: tuple[Any, Any],
    bias: Callable[[int], Tensor] | None = None,
) -> Layer:
    """Return a layer with a norm after each residual, of the modules that are there in this order.

    `projections` give queries, keys and values; `bias` is that of the attention's logits.
    """
    up, activation, down = feed_forward
    branch = Chain((Linear.of(up), Activation(activation), Linear.of(down)))
    size = projections[0].out_features // heads
    return Layer(
        before=Linear.side_by_side(*projections),
        mixing=Mixing(heads=heads, groups=heads, size=size, scale=size**-0.5, bias=bias),
        out=Linear.of(out),
        after=Chain((LayerNorm.of(norms[0]), Residual(branch), LayerNorm.of(norms[1]))),
    )


def dense_classes(head: Any, activation: Callable[[Tensor], Tensor]) -> Logits:
    """Return the logits of a classification head with one hidden layer."""
    return class_logits(lambda h: head.out_proj(activation(head.dense(h))))


def entries(
    adapter: Callable[[Any], Adapter], model_type: str, prefix: str, head: str
) -> dict[str, Architecture]:
    """Return a family's two classes of transformers, whose names begin with `prefix`.

    `head` is how the names of its masked language model's own weights begin.
    """
    return {
        f"{prefix}ForMaskedLM": Architecture("masked-lm", adapter, model_type, head),
        f"{prefix}ForSequenceClassification": Architecture("classifier", adapter, model_type, "classifier."),
    }
