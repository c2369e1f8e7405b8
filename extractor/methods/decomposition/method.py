"""ALTI and its relatives as methods that score a run's tokens."""

from collections.abc import Sequence

from ipgraph.extractor.methods.attention_flow.rollout import rollout as rollout_of_stacks
from ipgraph.extractor.methods.attributions import Asked, Attributed, AttributionMethod
from ipgraph.extractor.methods.decomposition.matrices import (
    encoder_decoder_matrices,
    layer_matrices,
    require_defined,
    require_encoder_decoder,
    rollout,
)
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel, Model
from ipgraph.extractor.models.texts import of_one_length, text_of
from ipgraph.extractor.tracing.batch import pad


def _scores(asked: Asked, sentences: Sequence[Encoded]) -> list[Attributed]:
    """Return the target's row of the rollout, and the layer matrices, by `asked.method`."""
    of_model = _of_two_stacks if asked.model.task == "seq2seq" else _of_one_stack
    return of_model(asked, sentences)


def _of_one_stack(asked: Asked, sentences: Sequence[Encoded]) -> list[Attributed]:
    batch = pad(asked.adapted, sentences)
    matrices = layer_matrices(asked.adapted.adapter, batch, asked.method)
    products = rollout(matrices).double().cpu().numpy()
    layers = matrices.double().cpu().numpy()
    found = []
    for row, sentence in enumerate(sentences):
        n = len(sentence.ids)
        product = products[row, :, :n, :n]
        mixing = 1 - (product.diagonal(0, 1, 2) / product.sum(-1)).mean(1)
        matrix = layers[row, :, :n, :n]
        found.append(Attributed(product[-1, sentence.target], None, mixing, matrices={"self": matrix}))
    return found


def _of_two_stacks(asked: Asked, sentences: Sequence[Encoded]) -> list[Attributed]:
    texts = [text_of(sentence) for sentence in sentences]
    found: dict[int, Attributed] = {}
    for numbers in of_one_length(texts):
        group = [texts[number] for number in numbers]
        stacks = encoder_decoder_matrices(asked.model.module, group, asked.method)
        stacks["cross"] = stacks["cross"][..., :-1]  # what is left of a row is the residual
        for row, number in enumerate(numbers):
            matrices = {name: stack[row].double().cpu().numpy() for name, stack in stacks.items()}
            target = sentences[number].target - sentences[number].sources
            found[number] = Attributed(rollout_of_stacks(matrices)[target], matrices=matrices)
    return [found[number] for number in range(len(sentences))]


def _require(model: Model, method: str) -> None:
    if isinstance(model, LoadedModel):
        require_defined(model.adapter, method)
    else:
        require_encoder_decoder(model.module, method)


DECOMPOSITION = AttributionMethod(_scores, _require)
