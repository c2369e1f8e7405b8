"""Raw attention: what the target attends to in the last layer, as methods of attention are compared with."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from ipgraph.extractor.methods.attention_flow.matrices import Floats, layer_matrices
from ipgraph.extractor.methods.attributions import Asked, Attributed, AttributionMethod
from ipgraph.extractor.models.attentions import attentions
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.texts import text_of


def raw_attention(asked: Asked, sentences: Sequence[Encoded]) -> list[Attributed]:
    """Return the last layer's attention at each sentence's target, the mean over heads; scores sum to 1.

    In an encoder-decoder it is the last layer of the decoder: half its cross-attention to the encoder's
    tokens, half its self-attention to the decoder's. The halves are our choice.
    Raises UsageError where the model does not return its attention, IpgraphError where that holds nan.
    """
    found = attentions(asked.model.module, [text_of(sentence) for sentence in sentences])
    return [
        Attributed(last_row(layers, sentence.target - sentence.sources))
        for layers, sentence in zip(found, sentences, strict=True)
    ]


def last_row(layers: Mapping[str, Sequence[Tensor]], target: int) -> Floats:
    """Return the scores [N] of one text, of its attentions [A, destination, source] per layer, by name.

    `target` is a position of the last layer, in an encoder-decoder of its decoder.
    """
    last = {name: stack[-1:] for name, stack in layers.items()}
    means = layer_matrices(last, identity=False)
    own: Floats = means["self"][0, target]
    return own if "cross" not in means else np.concatenate([means["cross"][0, target], own]) / 2


RAW_ATTENTION = AttributionMethod(raw_attention)
