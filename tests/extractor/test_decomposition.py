"""ALTI and its relatives against a loop over the modules of transformers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from support.comparison import batch_of
from support.decomposed_modules import PARTS, Decomposed, decomposed
from support.families import HEADS, adapter_of, questions_of, without_float32
from support.random_decoders import FAMILIES as DECODERS
from support.random_decoders import random_decoder
from support.random_encoders import FAMILIES as ENCODERS
from support.random_encoders import WITH_TYPES, random_encoder
from support.random_models import random_model
from torch import Tensor

from ipgraph.extractor.methods.decomposition import matrices
from ipgraph.extractor.methods.decomposition.layouts import KINDS, layout_of
from ipgraph.extractor.methods.decomposition.matrices import (
    VARIANTS,
    layer_matrices,
    rollout,
)
from ipgraph.extractor.methods.decomposition.vectors import Vectors, block_vectors
from ipgraph.extractor.models.blocks import Activation, Identity
from ipgraph.extractor.models.composites import Chain
from ipgraph.extractor.tracing.batch import Batch
from ipgraph.graphstore.common.errors import UsageError

NAMES = ["bert", *ENCODERS, *DECODERS]
PRE_NORM = [
    "gpt2",
    "gpt_neox, serial",
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "phi3",
    "olmo2",
    "gemma2",
    "gemma3",
]
EVERYTHING = slice(None)


def model_of(name: str, patch: pytest.MonkeyPatch) -> Any:
    if name == "bert":
        return random_model("masked-lm", 3, HEADS, 16, 0)
    model = random_encoder(name, "masked-lm", 0) if name in ENCODERS else random_decoder(name, "causal-lm", 0)
    return without_float32(model, patch)


def methods_of(name: str) -> list[str]:
    is_post_norm = name in ENCODERS or name == "bert"
    return [m for m in VARIANTS if m != "globenc" or (is_post_norm and not name.startswith("modernbert"))]


def batch_for(model: Any, name: str, extra: int = 0) -> Batch:
    return batch_of(questions_of(model, (1, 2, 3), (7, 11), has_types=name in WITH_TYPES), extra=extra)


@pytest.mark.parametrize("name", NAMES)
def test_vectors_and_bias_add_up_to_the_block(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name, monkeypatch)
    for block in block_vectors(adapter_of(model), batch_for(model, name, extra=2)):
        total = block.of(EVERYTHING, EVERYTHING).sum(1) + block.bias
        assert (total - block.output).abs().max() <= 1e-10


@pytest.mark.parametrize("name", [*PARTS, "modernbert, biases"])
def test_vectors_are_those_of_a_loop(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name, monkeypatch)
    asked = questions_of(model, (1, 2, 3), (7, 11))
    blocks = list(block_vectors(adapter_of(model), batch_of(asked, extra=2)))
    for row, question in enumerate(asked):
        n = len(question.ids)
        for block, expected in zip(blocks, decomposed(model, question), strict=True):
            vectors = block.of(slice(row, row + 1), slice(0, n))[0, :, :n].transpose(0, 1)
            assert (vectors - expected.vectors).abs().max() <= 1e-10
            assert (block.bias[row, :n] - expected.bias).abs().max() <= 1e-10
            assert (block.output[row, :n] - expected.output).abs().max() <= 1e-10


def closeness(order: int) -> Callable[[Decomposed, int, int], float]:
    def of(block: Decomposed, i: int, j: int) -> float:
        whole, rest = (
            np.linalg.norm(x, order) for x in (block.output[i], block.output[i] - block.vectors[i, j])
        )
        return max(0.0, float(whole - rest))

    return of


def to_end(block: Decomposed, i: int, j: int) -> float:
    assert block.to_end is not None
    return float(np.linalg.norm(block.to_end[i, j]))


SCORES: dict[str, Callable[[Decomposed, int, int], float]] = {
    "alti": closeness(1),
    "alti_l2": closeness(2),
    "norm": lambda block, i, j: float(np.linalg.norm(block.vectors[i, j])),
    "globenc": to_end,
}


@pytest.mark.parametrize(
    ("name", "method"),
    [(n, m) for n in ("bert", "distilbert", "llama", "gpt_neox", "olmo2") for m in methods_of(n)],
)
def test_matrices_are_those_of_a_loop(name: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name, monkeypatch)
    asked = questions_of(model, (1, 2, 3), (7, 11))
    found = layer_matrices(adapter_of(model), batch_of(asked, extra=2), method)
    for row, question in enumerate(asked):
        n = len(question.ids)
        for matrix, block in zip(found[row], decomposed(model, question), strict=True):
            of_pairs = [[SCORES[method](block, i, j) for j in range(n)] for i in range(n)]
            scores = torch.tensor(of_pairs, dtype=torch.float64)
            expected = scores if method == "globenc" else scores / scores.sum(-1, keepdim=True)
            assert (matrix[:n, :n] - expected).abs().max() <= 1e-10
            assert not matrix[n:].any()
            assert not matrix[:, n:].any()


@pytest.mark.parametrize("name", NAMES)
def test_batches_and_parts_of_sentences_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name, monkeypatch)
    adapter, batch = adapter_of(model), batch_for(model, name, extra=1)
    for method in methods_of(name):
        together = layer_matrices(adapter, batch, method)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(matrices, "_CPU_VALUES", 3 * 9 * 16)
            in_parts = layer_matrices(adapter, batch, method)
        assert (in_parts - together).abs().max() <= 1e-12
        for row, n in enumerate(batch.mask.sum(1).tolist()):
            alone = layer_matrices(adapter, batch.alone(row), method)[0]
            assert (together[row, :, :n, :n] - alone).abs().max() <= 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_rows_sum_to_one_and_what_is_not_heard_is_zero(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name, monkeypatch)
    batch = batch_for(model, name, extra=1)
    for method in ("alti", "alti_l2", "norm"):
        found = layer_matrices(adapter_of(model), batch, method)
        for stack in (found, rollout(found)):
            assert torch.allclose(stack.sum(-1), batch.mask[:, None].double().expand(stack.shape[:3]))
            assert (stack >= 0).all()
            assert name not in DECODERS or not stack.triu(1).any()


def test_rollout_is_the_product_of_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("bert", monkeypatch)
    found = layer_matrices(adapter_of(model), batch_for(model, "bert"), "globenc")
    expected = np.eye(found.shape[-1])
    for matrix, product in zip(found[0].numpy(), rollout(found)[0].numpy(), strict=True):
        expected = matrix @ expected
        assert product == pytest.approx(expected, rel=1e-12)


def test_a_row_of_zeros_keeps_its_own_token() -> None:
    zeros = torch.zeros(1, 2, 4)
    block = Vectors(
        weights=torch.zeros(1, 2, 2, 1),
        values=torch.zeros(1, 2, 1, 3),
        projection=torch.zeros(1, 3, 4),
        residual=zeros,
        owners=(0, 1),
        bias=zeros + 1,
        output=zeros + 1,
    )
    mask = torch.tensor([[True, False]])
    found: Tensor = matrices._matrix(block, mask, VARIANTS["alti"])
    assert found.tolist() == [[[1.0, 0.0], [0.0, 0.0]]]


@pytest.mark.parametrize("name", NAMES)
def test_the_layout_of_every_family_is_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = "parallel" if name == "gpt_neox" else "pre-norm" if name in PRE_NORM else "post-norm"
    expected = "pre-norm" if name.startswith("modernbert") else expected
    layouts = [layout_of(layer) for layer in adapter_of(model_of(name, monkeypatch)).layers]
    assert {layout.kind for layout in layouts} == {expected}
    assert all((layout.last is not None) == (expected == "post-norm") for layout in layouts)
    assert all(bool(layout.inner) == name.startswith(("olmo2", "gemma")) for layout in layouts)


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "modernbert", "gemma2"])
def test_globenc_without_a_last_norm_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name, monkeypatch)
    with pytest.raises(UsageError, match=r"through the norm at a layer's end.*after each residual"):
        layer_matrices(adapter_of(model), batch_for(model, name), "globenc")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"out": Identity()}, "not projected by a linear map"),
        ({"after": Identity()}, "residuals are not where"),
    ],
)
def test_other_layers_are_refused(
    change: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = replace(adapter_of(model_of("bert", monkeypatch)).layers[0], **change)
    with pytest.raises(UsageError, match=reason) as refused:
        layout_of(layer)
    assert all(kind in str(refused.value) for kind in KINDS.values())


def test_an_activation_behind_the_heads_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = adapter_of(model_of("gpt2", monkeypatch)).layers[0]
    with pytest.raises(UsageError, match="more than norms"):
        layout_of(replace(layer, out=Chain((layer.out, Activation(torch.tanh)))))
