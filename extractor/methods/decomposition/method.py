"""ALTI and its relatives as methods that score a run's tokens."""

from collections.abc import Sequence

from ipgraph.extractor.methods.attributions import Asked, Attributed, AttributionMethod
from ipgraph.extractor.methods.decomposition.matrices import layer_matrices, require_defined, rollout
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.batch import pad


def _scores(asked: Asked, sentences: Sequence[Encoded]) -> list[Attributed]:
    """Return the target's row of the rollout, and the layer matrices, by `asked.method`."""
    batch = pad(asked.model, sentences)
    matrices = layer_matrices(asked.model.adapter, batch, asked.method)
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


def _require(model: LoadedModel, method: str) -> None:
    require_defined(model.adapter, method)


DECOMPOSITION = AttributionMethod(_scores, _require)
