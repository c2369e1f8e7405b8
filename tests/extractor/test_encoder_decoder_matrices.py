"""ALTI of T5 and BART against a loop over the modules of transformers."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from support.decomposed_encoder_decoders import DEPTHS, FAMILIES, decomposed, random_encoder_decoder
from support.random_decoders import random_decoder
from support.saved_models import save_encoder_decoder, save_unknown
from torch import Tensor

from ipgraph.extractor.datasets import load
from ipgraph.extractor.methods.attention_flow.method import ATTENTION, SHAPLEY
from ipgraph.extractor.methods.attention_flow.network import network_of
from ipgraph.extractor.methods.attention_flow.rollout import rollout
from ipgraph.extractor.methods.attributions import Asked, Floats
from ipgraph.extractor.methods.decomposition import matrices
from ipgraph.extractor.methods.decomposition.encoder_decoders import encoder_decoder_vectors
from ipgraph.extractor.methods.decomposition.matrices import encoder_decoder_matrices
from ipgraph.extractor.methods.decomposition.method import DECOMPOSITION
from ipgraph.extractor.methods.registry import refusal
from ipgraph.extractor.models.encoding import Encoded, encode
from ipgraph.extractor.models.loading import LoadedModel, Model, load_any
from ipgraph.extractor.models.texts import Text
from ipgraph.graphstore.common.errors import UsageError

TEXTS = [
    Text([4, 7, 5, 9, 2], continuation=[3, 6, 8]),
    Text([9, 9, 4, 6, 2], continuation=[3, 5, 5]),
]
SHAPES = {"encoder": (2, 5, 5), "self": (3, 3, 3), "cross": (3, 3, 6)}
METHODS = ["alti", "alti_l2", "norm"]
EVERYTHING = slice(None)


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Any:
    return random_encoder_decoder(request.param)


def test_vectors_are_those_of_a_loop_and_add_up_to_the_block(model: Any) -> None:
    expected = [decomposed(model, text) for text in TEXTS]
    for name, stack in encoder_decoder_vectors(model, TEXTS):
        for layer, block in enumerate(stack):
            vectors = block.of(EVERYTHING, EVERYTHING)
            assert (vectors.sum(1) + block.bias - block.output).abs().max() <= 1e-10
            for row, of_text in enumerate(expected):
                by_hand = of_text[name][layer]
                assert (vectors[row].transpose(0, 1) - by_hand.vectors).abs().max() <= 1e-10
                assert (block.bias[row] - by_hand.bias).abs().max() <= 1e-10
                assert (block.output[row] - by_hand.output).abs().max() <= 1e-10
        assert layer + 1 == DEPTHS[name]


def scores_of(method: str, output: Tensor, vector: Tensor) -> float:
    if method == "norm":
        return float(np.linalg.norm(vector))
    order = 1 if method == "alti" else 2
    return max(0.0, float(np.linalg.norm(output, order) - np.linalg.norm(output - vector, order)))


@pytest.mark.parametrize("method", METHODS)
def test_matrices_are_those_of_a_loop(model: Any, method: str) -> None:
    found = encoder_decoder_matrices(model, TEXTS, method)
    assert {name: tuple(stack.shape[1:]) for name, stack in found.items()} == SHAPES
    for row, text in enumerate(TEXTS):
        for name, stack in decomposed(model, text).items():
            for matrix, block in zip(found[name][row].numpy(), stack, strict=True):
                of_pairs = [
                    [scores_of(method, output, vector) for vector in vectors]
                    for output, vectors in zip(block.output, block.vectors, strict=True)
                ]
                expected = np.array(of_pairs)
                assert matrix == pytest.approx(expected / expected.sum(-1, keepdims=True), abs=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_rows_sum_to_one_and_causal_zeros_stay_zero(model: Any, method: str) -> None:
    found = encoder_decoder_matrices(model, TEXTS, method)
    for stack in found.values():
        assert (stack >= 0).all()
        assert torch.allclose(stack.sum(-1), torch.ones_like(stack[..., 0]))
    assert not found["self"].triu(1).any()
    for row in range(len(TEXTS)):
        of_text = {name: stack[row].numpy() for name, stack in found.items()}
        product = rollout(of_text | {"cross": of_text["cross"][..., :-1]})
        assert product.shape == (3, 5 + 3)
        assert product.sum(-1) == pytest.approx(np.ones(3))
        assert not np.triu(product[:, 5:], 1).any()


@pytest.mark.parametrize("method", METHODS)
def test_batches_and_parts_of_sentences_change_nothing(model: Any, method: str) -> None:
    together = encoder_decoder_matrices(model, TEXTS, method)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrices, "_CPU_VALUES", 2 * 3 * 16)
        in_parts = encoder_decoder_matrices(model, TEXTS, method)
    alone = [encoder_decoder_matrices(model, [text], method) for text in TEXTS]
    for name in DEPTHS:
        assert (in_parts[name] - together[name]).abs().max() <= 1e-12
        assert (torch.cat([one[name] for one in alone]) - together[name]).abs().max() <= 1e-12


def test_one_token() -> None:
    found = encoder_decoder_matrices(random_encoder_decoder("bart"), [Text([4], continuation=[3])])
    assert found["encoder"].tolist() == [[[[1.0]]] * 2]
    assert found["self"].tolist() == [[[[1.0]]] * 3]
    assert found["cross"].shape == (1, 3, 1, 2)


def test_globenc_is_refused(model: Any) -> None:
    with pytest.raises(UsageError, match=r"has two attention blocks before it\. It is for"):
        encoder_decoder_matrices(model, TEXTS, "globenc")


def test_other_families_are_refused() -> None:
    with pytest.raises(UsageError, match=r"family 'gpt2'.*the encoder-decoders t5, bart$"):
        encoder_decoder_matrices(random_decoder("gpt2", "causal-lm", 0), TEXTS)


FORMS = {"correct": "know", "wrong": "helps"}
ROWS = load(
    [
        {"text": "the lawyer that hates guests", "continuation": "the music [MASK]", **FORMS},
        {"text": "a scientist", "continuation": "the worker of the guests [MASK]", **FORMS},
        {"text": "the lawyer that hates music", "continuation": "a worker [MASK]", **FORMS},
    ]
)


@pytest.fixture(scope="module", params=["t5", "bart"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = save_encoder_decoder(tmp_path_factory.mktemp(request.param), request.param)
    return load_any(folder, device="cpu", dtype="float64")


def encoded(model: Model) -> list[Encoded]:
    sentences, skipped = encode(model, ROWS.examples)
    assert not skipped
    return sentences


def asked_of(model: Model, method: str) -> Asked:
    nothing = cast("Any", None)
    return Asked(cast("LoadedModel", model), method, sampling=nothing, baseline=nothing)


def product_of(matrices: dict[str, Floats]) -> Floats:
    """Return what each decoder position has of all tokens, as a product over both stacks at once."""
    targets, sources = matrices["cross"].shape[1:]
    state = np.eye(sources + targets)
    for matrix in matrices["encoder"]:
        state[:sources] = matrix @ state[:sources]
    for own, cross in zip(matrices["self"], matrices["cross"], strict=True):
        step = np.eye(sources + targets)
        step[sources:] = np.hstack([cross, np.diag(1 - cross.sum(-1)) @ own])
        state = step @ state
    return state[sources:]


@pytest.mark.parametrize("method", [*METHODS, "rollout"])
def test_scores_are_the_rows_of_the_rollout_at_the_target(loaded: Model, method: str) -> None:
    sentences = encoded(loaded)
    score = (ATTENTION if method == "rollout" else DECOMPOSITION).score
    for sentence, found in zip(sentences, score(asked_of(loaded, method), sentences), strict=True):
        s, t = sentence.sources, len(sentence.ids) - sentence.sources
        assert {name: one.shape for name, one in found.matrices.items()} == {
            "encoder": (2, s, s),
            "self": (3, t, t),
            "cross": (3, t, s),
        }
        assert t > 2
        expected = product_of(dict(found.matrices))[t - 1]
        assert found.scores == pytest.approx(expected, abs=1e-12)
        assert found.scores.sum() == pytest.approx(1)
        (alone,) = score(asked_of(loaded, method), [sentence])
        assert found.scores == pytest.approx(alone.scores, abs=1e-9)
        assert found.mixing is None


def test_flow_and_its_shapley_values_are_to_the_decoders_target(loaded: Model) -> None:
    sentences = encoded(loaded)
    flows = ATTENTION.score(asked_of(loaded, "flow"), sentences)
    for sentence, found in zip(sentences, flows, strict=True):
        network = network_of(found.matrices, len(sentence.ids) - 1 - sentence.sources)
        assert network.tokens.shape == found.scores.shape
        assert network.sink == network.nodes - 1
        assert (found.scores > 0).all()
    (values,) = SHAPLEY.score(asked_of(loaded, "flow_shapley"), sentences[1:2])
    assert values.scores.sum() == pytest.approx(1)  # the flow from all tokens


def test_which_methods_are_defined(loaded: Model, tmp_path: Path) -> None:
    unknown = load_any(save_unknown(tmp_path), device="cpu")
    for method in METHODS:
        assert not refusal(cast("LoadedModel", loaded), method)
        assert "family 'opt'" in refusal(cast("LoadedModel", unknown), method)
    assert "is an encoder-decoder" in refusal(cast("LoadedModel", loaded), "globenc")
