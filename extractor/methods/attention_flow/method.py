"""Rollout, flow and its Shapley values as methods that score a run's tokens."""

from collections.abc import Sequence

from torch import Tensor

from ipgraph.extractor.methods.attention_flow.matrices import layer_matrices
from ipgraph.extractor.methods.attention_flow.network import network_of
from ipgraph.extractor.methods.attention_flow.rollout import mixing
from ipgraph.extractor.methods.attention_flow.scores import token_scores
from ipgraph.extractor.methods.attention_flow.shapley import MAX_PLAYERS, flow_game, shapley_values
from ipgraph.extractor.methods.attributions import Asked, Attributed, AttributionMethod
from ipgraph.extractor.models.attentions import attentions
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.texts import text_of


def _scores(asked: Asked, sentences: Sequence[Encoded]) -> list[Attributed]:
    """Return the rollout or the flow of sentences, by `asked.method`, and their layer matrices."""
    found = []
    for sentence, layers in zip(sentences, _attentions(asked, sentences), strict=True):
        target = sentence.target - sentence.sources
        scored = token_scores(
            layers, target, asked.method, asked.position_correction, decay=asked.position_decay
        )
        mixed = mixing(scored.matrices)
        found.append(Attributed(scored.scores, scored.layers, mixed, matrices=scored.matrices))
    return found


def _shapley(asked: Asked, sentences: Sequence[Encoded]) -> list[Attributed]:
    """Return the Shapley values of the flow from sets of tokens alone."""
    found = []
    for sentence, layers in zip(sentences, _attentions(asked, sentences), strict=True):
        network = network_of(layer_matrices(layers), sentence.target - sentence.sources)
        found.append(Attributed(shapley_values(flow_game(network))))
    return found


def _attentions(asked: Asked, sentences: Sequence[Encoded]) -> list[dict[str, list[Tensor]]]:
    return attentions(asked.model.module, [text_of(sentence) for sentence in sentences])


ATTENTION = AttributionMethod(_scores)
SHAPLEY = AttributionMethod(_shapley, max_tokens=MAX_PLAYERS)
