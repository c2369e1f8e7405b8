"""Where a layer has its norms, and what of it a decomposition needs."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ipgraph.extractor.models.adapter import Layer
from ipgraph.extractor.models.blocks import Block, Identity, LayerNorm, Linear, RMSNorm
from ipgraph.extractor.models.composites import Chain, Residual
from ipgraph.graphstore.common.errors import UsageError

Norm: TypeAlias = LayerNorm | RMSNorm
Kind: TypeAlias = Literal["post-norm", "pre-norm", "parallel"]

KINDS: dict[Kind, str] = {
    "post-norm": "a norm after each residual, as in BERT",
    "pre-norm": "a norm before each branch, as in GPT-2 and Llama, or inside it, as in OLMo-2 and Gemma",
    "parallel": "attention and feed-forward side by side, as in GPT-NeoX",
}
"""Layouts by name; the decomposition is defined for layers of these."""


@dataclass(frozen=True)
class Layout:
    """A layer's parts: the heads' output projection, and the norms that the block's vectors pass."""

    kind: Kind
    projection: Linear
    inner: tuple[Norm, ...]  # on the attention's output, before the residual is added
    first: Norm | None  # after the residual
    last: Norm | None  # at the layer's end


def layout_of(layer: Layer) -> Layout:
    """Return a layer's layout; raises UsageError where it is none of KINDS."""
    match layer.out:
        case Linear() as projection:
            inner: tuple[Block, ...] = ()
        case Chain(blocks=(Linear() as projection, *rest)):
            inner = tuple(rest)
        case _:
            raise _unknown("the heads' output is not projected by a linear map")
    norms = tuple(block for block in inner if isinstance(block, LayerNorm | RMSNorm))
    if len(norms) < len(inner):
        raise _unknown("more than norms follows the heads' output projection")
    match layer.beside, layer.after:
        case Identity(), Chain(blocks=((LayerNorm() | RMSNorm()) as first, Residual(), *ends)):
            last = ends[0] if len(ends) == 1 and isinstance(ends[0], LayerNorm | RMSNorm) else None
            return Layout("post-norm", projection, norms, first, last)
        case Identity(), Residual():
            return Layout("pre-norm", projection, norms, None, None)
        case Residual(), Identity():
            return Layout("parallel", projection, norms, None, None)
    raise _unknown("its residuals are not where these have them")


def _unknown(reason: str) -> UsageError:
    kinds = "; ".join(KINDS.values())
    return UsageError(
        f"a layer of the model cannot be taken apart into one vector per token: {reason}. This is defined "
        f"for layers with {kinds}"
    )
