"""Hidden token attribution as a method that scores tokens: what of each the target's last embedding holds."""

from collections.abc import Sequence
from warnings import catch_warnings, simplefilter

import numpy as np
import torch

from ipgraph.extractor.methods.attributions import (
    Asked,
    Attributed,
    AttributionMethod,
    Floats,
    HeadViews,
    floats,
)
from ipgraph.extractor.methods.hidden_tokens.jacobians import HiddenTokens, hidden_tokens
from ipgraph.extractor.methods.hidden_tokens.views import (
    divergence,
    mass,
    mixing,
    rank_correlation,
)
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.tracing.batch import pad
from ipgraph.graphstore.schema.records import VIEWED


def hta(asked: Asked, sentences: Sequence[Encoded]) -> list[Attributed]:
    """Return each sentence's row of the last layer's hidden attribution at the target; rows sum to 1.

    Beside it stand the matrices of all layers as "hidden", how much they mix, and how heads' views compare.
    """
    found = hidden_tokens(asked.adapted.adapter, pad(asked.adapted, sentences))
    return [_attributed(one, sentence.target) for one, sentence in zip(found, sentences, strict=True)]


def _attributed(found: HiddenTokens, target: int) -> Attributed:
    hidden = floats(found.hidden)
    return Attributed(
        hidden[-1, target],
        mixing=mixing(hidden).mean(-1),
        views=_views(floats(torch.stack(found.attention)), floats(torch.stack(found.heads))),
        matrices={"hidden": hidden},
    )


def _views(local: Floats, overall: Floats) -> HeadViews:
    """Compare attention [L, A, N, N] with the attributions of the heads' contexts.

    Means are over destinations. A correlation is that of the destinations that have one, and NaN where none
    has; so is a mass on a token that no destination has, as in a text of one token.
    """
    return HeadViews(
        divergences=divergence(local, overall).mean(-1),
        correlations=_mean_of_numbers(rank_correlation(local, overall)),
        local_masses=_masses(local),
        global_masses=_masses(overall),
    )


def _masses(rows: Floats) -> Floats:
    return np.stack([mass(rows, pattern) for pattern in VIEWED], -1)


def _mean_of_numbers(values: Floats) -> Floats:
    with catch_warnings():
        simplefilter("ignore", RuntimeWarning)  # of rows without a number
        mean: Floats = np.nanmean(values, -1)
    return mean


HIDDEN_TOKENS = AttributionMethod(hta)
