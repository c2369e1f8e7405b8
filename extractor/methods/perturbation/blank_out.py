"""Blank-out: by how much the quantity of interest falls where one token's word is replaced.

The score of token i is q(x) - q(x with i replaced). Abnar & Zuidema (2020, 5) compare attention with it, with
UNK in the place of words. Here it is the embedding of the baseline, by default [MASK] where the model has a
mask token; a decoder's first position is held, and its score is 0. Positions and types stay. Every token is
replaced in turn, [CLS] and [SEP] too; in the place of [MASK] the score of a [MASK] is 0.

It is the model of transformers that is run, of any family: N + 1 rows per text of N tokens.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ipgraph.extractor.methods.attributions import Asked, Attributed, AttributionMethod, Floats, floats
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.heads import class_logits, decided, probability, qoi
from ipgraph.extractor.models.loading import Model
from ipgraph.extractor.models.texts import Text, arguments, text_of
from ipgraph.extractor.tracing.batch import Baseline
from ipgraph.extractor.tracing.memory import out_of_memory_as_error

_LOGITS = 2**26
"""Logits of a vocabulary that are computed at once, of all positions of some rows."""


def blank_out(asked: Asked, sentences: Sequence[Encoded]) -> list[Attributed]:
    """Return the scores of each sentence's tokens; the QoI's logits are decided at the whole text.

    Raises IpgraphError where memory does not suffice.
    """
    with out_of_memory_as_error(asked.model):
        return [
            Attributed(differences(asked, text_of(one), one.target - one.sources, one.qoi_logits))
            for one in sentences
        ]


@torch.no_grad()
def differences(asked: Asked, text: Text, target: int, qoi_logits: tuple[int, int]) -> Floats:
    """Return how much the QoI falls without each token [N], an encoder's before those of its decoder.

    `target` is the position of a language model's logits, in an encoder-decoder among its decoder's.
    """
    whole = _logits(asked.model, text, target, 1)
    parts = [
        part
        for embedding, tokens in _stacks(asked.model.module, text)
        for part in _blanked(asked, text, target, embedding, tokens)
    ]
    chosen = decided(torch.tensor([qoi_logits], device=whole.device), whole)
    quantity = probability if asked.is_probability else qoi
    values = quantity(class_logits(lambda logits: logits), torch.cat([whole, *parts])[None], chosen)[0]
    return floats(values[0] - values[1:])


def _logits(model: Model, text: Text, target: int, rows: int) -> Tensor:
    """Return the logits [rows, C] of a text that is repeated, a language model's at the target."""
    given = {name: ids.expand(rows, -1) for name, ids in arguments(model.module, [text]).items()}
    logits: Tensor = model.module(**given).logits
    return logits if logits.dim() == 2 else logits[:, target]


def _stacks(module: Any, text: Text) -> list[tuple[Any, int]]:
    """Return what embeds the words of each stack, an encoder before its decoder, and how many it embeds."""
    if not module.config.is_encoder_decoder:
        return [(module.get_input_embeddings(), len(text.ids))]
    stacks = ((module.get_encoder(), text.ids), (module.get_decoder(), text.continuation))
    return [(stack.get_input_embeddings(), len(ids)) for stack, ids in stacks]


def _blanked(asked: Asked, text: Text, target: int, embedding: Any, tokens: int) -> Iterator[Tensor]:
    """Yield the logits with each of the tokens that a module embeds replaced, of as many rows as fit."""
    model = asked.model
    rows = max(1, _LOGITS // (tokens * len(embedding.weight)))
    if model.task == "classifier" and model.padding is None:
        rows = 1  # transformers does not know where the rows of a batch end
    for positions in torch.arange(tokens, device=model.device).split(rows):
        with _replaced(embedding, positions, asked.baseline):
            logits = _logits(model, text, target, len(positions))
        yield logits


@contextmanager
def _replaced(embedding: Any, positions: Tensor, baseline: Baseline) -> Iterator[None]:
    """Replace one word in each row, at these positions."""
    rows = torch.arange(len(positions), device=positions.device)

    def replace(_module: Any, _inputs: Any, words: Tensor) -> Tensor:
        changed = words.clone()
        changed[rows, positions] = baseline.of(words).expand_as(words)[rows, positions]
        return changed

    hook = embedding.register_forward_hook(replace)
    try:
        yield
    finally:
        hook.remove()


BLANK_OUT = AttributionMethod(blank_out)
