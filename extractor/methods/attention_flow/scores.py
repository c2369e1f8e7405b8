"""Scores of the tokens that an output position hears, by rollout or flow, and corrected for their positions.

In a decoder, early tokens have more paths to the output, whatever it attends to. How to make up for it is not
settled: `distance` and `position` we know at second hand (Metzger et al. 2022), and `uniform` is our choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from torch import Tensor

from ipgraph.extractor.methods.attention_flow.flow import shares, token_flows
from ipgraph.extractor.methods.attention_flow.matrices import (
    Floats,
    Matrices,
    is_causal,
    layer_matrices,
    uniform_causal,
)
from ipgraph.extractor.methods.attention_flow.network import Ints
from ipgraph.extractor.methods.attention_flow.rollout import rollout
from ipgraph.extractor.methods.settings import POSITION_CORRECTIONS
from ipgraph.graphstore.common.errors import UsageError, unknown


@dataclass(frozen=True)
class TokenScores:
    """One text's tokens for one output position; an encoder's before those of its decoder."""

    scores: Floats  # [N], their sum is 1; 0 for a token that is not heard or not scored
    raw: Floats  # [N], before correction and division: flows, or entries of the rollout
    layers: Ints | None  # [N], which layer holds most of a minimum cut, 0 where none; None of a rollout
    matrices: Matrices  # the layer matrices that the scores come from


def token_scores(
    attentions: Mapping[str, Sequence[Tensor]],
    target: int,
    method: str = "flow",
    correction: str = "none",
    *,
    decay: float = 1.0,
) -> TokenScores:
    """Return the scores of a text's tokens for position `target` of the last layer.

    `attentions` are one text's, [A, destination, source] per layer, by name (`models.attentions`). `decay` is
    of the correction `position`.
    Raises UsageError for a correction that is not one, or of a model that is not a decoder.
    """
    if correction not in POSITION_CORRECTIONS:
        raise unknown("position correction", correction, POSITION_CORRECTIONS)
    matrices = layer_matrices(attentions, identity=correction != "distance")
    if correction != "none" and not is_causal(matrices):
        raise UsageError(
            f"the position correction {correction!r} is for decoders, and this model's tokens attend to "
            "later ones or to an encoder's; use 'none'"
        )
    raw, layers = _scores(matrices, target, method)
    weights = _weights(correction, decay, method, len(matrices["self"]), target, len(raw))
    return TokenScores(shares(raw * weights), raw, layers, matrices)


def _scores(matrices: Matrices, target: int, method: str) -> tuple[Floats, Ints | None]:
    if method == "rollout":
        return rollout(matrices)[target], None
    found = token_flows(matrices, target)
    return found.flows, found.layers


def _weights(correction: str, decay: float, method: str, layers: int, target: int, tokens: int) -> Floats:
    """Return what each token's score is multiplied by; what no token after the target has is any number."""
    i = np.arange(tokens)
    if correction == "distance":
        return np.where(i < target, 1 / (np.maximum(target - i, 0) + 2), 0.0)
    if correction == "position":
        weights: Floats = ((np.minimum(i, target) + 1.0) / (target + 1.0)) ** decay  # of at most 1
        return weights
    weights = np.ones(tokens)
    if correction == "uniform":
        weights[: target + 1] = 1 / _uniform_scores(method, layers, target)
    return weights


@lru_cache(maxsize=1024)
def _uniform_scores(method: str, layers: int, target: int) -> Floats:
    """Return the scores under uniform causal attention, which only depend on the depth and the position."""
    return _scores(uniform_causal(layers, target + 1), target, method)[0]
