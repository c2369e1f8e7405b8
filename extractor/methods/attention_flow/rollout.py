"""Attention rollout: the product of the layer matrices (Abnar & Zuidema 2020, 3.1)."""

import numpy as np

from ipgraph.extractor.methods.attention_flow.matrices import Floats, Matrices, residual


def rollout(matrices: Matrices) -> Floats:
    """Return what each position of the last layer takes from the tokens, [N, N]; rows sum to 1.

    For an encoder-decoder [T, S + T]: the encoder's tokens, then the decoder's. A decoder layer is a step of
    self-attention, then one of cross-attention (Ferrando et al. 2022).
    """
    if "cross" not in matrices:
        return _product(matrices["self"])
    (sources, targets), encoder = matrices["cross"].shape[:0:-1], _product(matrices["encoder"])
    from_encoder, from_decoder = np.zeros((targets, sources)), np.eye(targets)
    for own, cross in zip(matrices["self"], matrices["cross"], strict=True):
        stays = residual(cross)[:, None]
        from_encoder = stays * (own @ from_encoder) + cross @ encoder
        from_decoder = stays * (own @ from_decoder)
    return np.hstack([from_encoder, from_decoder])


def mixing(matrices: Matrices) -> Floats | None:
    """Return how much of each layer's output is not its own token's, [L], means over positions.

    None of an encoder-decoder, whose positions have two texts to take from.
    """
    if "cross" in matrices:
        return None
    layers = matrices["self"]
    product, mixed = np.eye(layers.shape[-1]), []
    for layer in layers:
        product = layer @ product
        mixed.append(1 - np.diagonal(product).mean())
    return np.array(mixed)


def _product(layers: Floats) -> Floats:
    product: Floats = np.eye(layers.shape[-1])
    for layer in layers:
        product = layer @ product
    return product
