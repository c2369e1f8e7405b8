"""How much of each token is in each position: layer matrices from decomposed blocks, and their product.

- `alti` (Ferrando et al. 2022, EMNLP, "Measuring the Mixing of Contextual Information in the Transformer"):
  c_ij = max(0, |y_i|_1 - |y_i - T_i(x_j)|_1), rows divided by their sums. `alti_l2` has the L2 norm instead.
- `norm` (Kobayashi et al. 2021): |T_i(x_j)|_2, rows divided by their sums.
- `globenc` (Modarressi et al. 2022): |T_i(x_j)|_2 with the norm at the layer's end, too; rows as they are.

All are rolled out: C^l ... C^1, without an identity. ALTI's published code leaves eps out of the norm and
puts 1e-6 per unit into its distances: it differs by up to 4e-5.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ipgraph.extractor.methods.decomposition.encoder_decoders import blocks_of, encoder_decoder_vectors
from ipgraph.extractor.methods.decomposition.layouts import KINDS, layout_of
from ipgraph.extractor.methods.decomposition.vectors import Vectors, block_vectors
from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.texts import Text
from ipgraph.extractor.tracing.batch import Batch
from ipgraph.graphstore.common.errors import UsageError

_CPU_VALUES, _VALUES = 2**20, 2**26
"""Values of the vectors in work at once: what stays in a processor's cache, and what keeps a GPU busy."""


class Variant(NamedTuple):
    """How a method makes a layer's matrix."""

    score: Callable[[Tensor, Tensor], Tensor]  # of T [B, J, N, H] and y [B, 1, N, H]: [B, J, N]
    to_end: bool = False  # whether vectors pass the norm at the layer's end
    is_share: bool = True  # whether rows are divided by their sums


def _l1(vectors: Tensor) -> Tensor:
    """Return the norm, of vectors that may be overwritten: several times as fast as torch's own."""
    return vectors.abs_().sum(-1)


def _l2(vectors: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(vectors, 2, -1)
    return norm


def _closeness(norm: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return |y| - |y - T|: how much of an output a vector is, by a norm."""
    return lambda vectors, output: norm(output.clone()) - norm(vectors.sub_(output))


VARIANTS = {
    "alti": Variant(_closeness(_l1)),
    "alti_l2": Variant(_closeness(_l2)),
    "norm": Variant(lambda vectors, _: _l2(vectors)),
    "globenc": Variant(lambda vectors, _: _l2(vectors), to_end=True, is_share=False),
}
"""The methods by name."""


@torch.no_grad()
def layer_matrices(adapter: Adapter, batch: Batch, method: str = "alti") -> Tensor:
    """Return each layer's matrix by destination and source, [B, L, N, N]; padding has zeros.

    A row whose every contribution is clipped to zero keeps its own token. Raises UsageError where the method
    is not defined for the model's layers.
    """
    require_defined(adapter, method)
    variant = VARIANTS[method]
    blocks = block_vectors(adapter, batch, to_end=variant.to_end)
    return torch.stack([_matrix(vectors, batch.mask, variant) for vectors in blocks], 1)


@torch.no_grad()
def encoder_decoder_matrices(module: Any, texts: Sequence[Text], method: str = "alti") -> dict[str, Tensor]:
    """Return an encoder-decoder's matrices by name, as `layer_matrices`, of texts of one length.

    `encoder` is [B, K, S, S], `self` [B, L, T, T] and `cross` [B, L, T, S + 1], whose last column is the
    residual's: what stays at a position. Raises UsageError where the method is not defined for the model.
    """
    require_encoder_decoder(module, method)
    variant = VARIANTS[method]
    blocks = encoder_decoder_vectors(module, texts)
    return {name: torch.stack([_matrix(v, _all_of(v), variant) for v in stack], 1) for name, stack in blocks}


def rollout(matrices: Tensor) -> Tensor:
    """Return the products C^l ... C^1 of layer matrices, for each layer l: [B, L, N, N] both."""
    products = [matrices[:, 0]]
    for matrix in matrices[:, 1:].unbind(1):
        products.append(matrix @ products[-1])
    return torch.stack(products, 1)


def require_defined(adapter: Adapter, method: str) -> None:
    """Raise UsageError where a method is not defined for the model's layers."""
    layouts = [layout_of(layer) for layer in adapter.layers]
    if VARIANTS[method].to_end and not all(layout.last for layout in layouts):
        raise _no_end(method, "layers of the model have none")


def require_encoder_decoder(module: Any, method: str) -> None:
    """Raise UsageError, as `require_defined` does, for an encoder-decoder."""
    blocks_of(module)
    if VARIANTS[method].to_end:
        raise _no_end(method, "a decoder that reads an encoder has two attention blocks before it")


def _no_end(method: str, reason: str) -> UsageError:
    return UsageError(
        f"method {method!r} takes vectors through the norm at a layer's end, and {reason}. "
        f"It is for models with {KINDS['post-norm']}"
    )


def _all_of(vectors: Vectors) -> Tensor:
    """Return the mask of a block without padding."""
    return torch.ones_like(vectors.output[..., 0], dtype=torch.bool)


def _matrix(vectors: Vectors, mask: Tensor, variant: Variant) -> Tensor:
    scores = _scores(vectors, variant).mT  # by destination, then source
    is_heard = (vectors.weights != 0).any(-1).mT | vectors.owned
    scores = scores.clamp_min(0) * (is_heard & mask[:, :, None])
    if not variant.is_share:
        return scores
    sums = scores.sum(-1, keepdim=True)
    return torch.where(sums > 0, scores / sums, (vectors.owned & mask[:, :, None]).to(scores.dtype))


def _scores(vectors: Vectors, variant: Variant) -> Tensor:
    """Return the scores [B, J, N] by source and destination: several sentences at once, or part of one."""
    output, (b, n, hidden), j = vectors.output[:, None], vectors.output.shape, vectors.weights.shape[1]
    values = _CPU_VALUES if output.device.type == "cpu" else _VALUES
    sentences, sources = max(1, values // (j * n * hidden)), max(1, values // (n * hidden))
    rows = []
    for first in range(0, b, sentences):
        here = slice(first, first + sentences)
        parts = (slice(k, k + sources) for k in range(0, j, sources))
        rows.append(torch.cat([variant.score(vectors.of(here, part), output[here]) for part in parts], 1))
    return torch.cat(rows)
