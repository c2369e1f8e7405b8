"""Checking a model: right adapters pass, and each way of being wrong is noticed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support import random_encoders
from support.random_decoders import FAMILIES, TASKS, random_decoder
from support.saved_models import save_decoder, word_tokenizer
from support.tiny_models import save_classifier, save_masked_lm
from torch import Tensor
from transformers import LlamaConfig, LlamaForSequenceClassification

from ipgraph.extractor.inspection.checking import Comparison, check, require_right, spread
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.adapter import Adapter, Layer
from ipgraph.extractor.models.blocks import Identity, Saved
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.extractor.models.registry import families
from ipgraph.graphstore.common.errors import IpgraphError, UsageError


def load(folder: Path) -> LoadedModel:
    return load_model(folder, device="cpu", dtype="float64")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(save_masked_lm(tmp_path_factory.mktemp("bert")))


def test_a_right_model_passes(bert: LoadedModel) -> None:
    calls: list[tuple[int, int]] = []
    found = check(bert, lambda done, total: calls.append((done, total)))
    require_right(bert, found)
    assert max(c.difference for c in found) < 1e-12
    assert [done for done, _ in calls] == list(range(1, len(found) + 1))
    assert {total for _, total in calls} == {len(found)}
    of_one = [(c.what, c.layer) for c in found[: len(found) // 3]]
    positions, hops = [("positions", n) for n in (1, 2)], [("heads and skip", n) for n in (1, 2, 3)]
    assert of_one == [("logits", None), ("words' influences", None), *positions, *hops]
    assert len({c.sentence for c in found}) == 3
    assert all(c.agrees for c in found if c.layer)


@pytest.mark.parametrize("task", random_encoders.TASKS)
@pytest.mark.parametrize("family", random_encoders.FAMILIES)
def test_random_encoders_pass(family: str, task: str) -> None:
    module = random_encoders.random_encoder(family, task, 0)
    tokenizer = word_tokenizer("cls", "sep", "mask")
    model = load_model(module, tokenizer=tokenizer, device="cpu", dtype="float64")
    require_right(model, check(model))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_random_decoders_pass_without_a_padding_token(family: str, task: str) -> None:
    module = random_decoder(family, task, 0)
    module.config.pad_token_id = None
    model = load_model(module, tokenizer=word_tokenizer(), device="cpu", dtype="float64")
    found = check(model)
    require_right(model, found)
    assert max(c.compared for c in found if c.what == "positions") > 1
    assert model.module.config.pad_token_id is None


def test_a_decoder_of_one_class_in_a_folder_passes(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path, "llama", "classifier", pad_token_id=None)
    config = LlamaConfig.from_pretrained(folder, num_labels=1)
    LlamaForSequenceClassification(config).save_pretrained(folder)
    model = load(folder)
    found = check(model)
    require_right(model, found)
    assert [c.compared for c in found if c.what == "logits"] == [1] * 3


def test_a_gpt2_that_computes_attention_in_float32_passes() -> None:
    changes = {"reorder_and_upcast_attn": True, "scale_attn_by_inverse_layer_idx": True}
    module = random_decoder("gpt2", "causal-lm", 0, **changes)
    model = load_model(module, tokenizer=word_tokenizer(), device="cpu", dtype="float64")
    require_right(model, check(model))
    assert model.module.transformer.h[0].attn.reorder_and_upcast_attn


def test_a_classifier_passes(tmp_path: Path) -> None:
    model = load(save_classifier(tmp_path, classes=3))
    require_right(model, check(model))


@dataclass(frozen=True)
class Askew:
    """A block whose value is right and whose tangents, or gradients, are not."""

    inner: Any
    jvp_by: float = 1.0
    vjp_by: float = 1.0

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> tuple[Tensor, Saved]:
        value: tuple[Tensor, Saved] = self.inner(x, positions)
        return value

    def jvp(self, saved: Saved, tangent: Tensor) -> Tensor:
        pushed: Tensor = self.inner.jvp(saved, tangent) * self.jvp_by
        return pushed

    def vjp(self, saved: Saved, gradient: Tensor) -> Tensor:
        pulled: Tensor = self.inner.vjp(saved, gradient) * self.vjp_by
        return pulled


Change = Callable[[Layer], Layer]
BROKEN: dict[str, tuple[Change, str]] = {
    "scale": (lambda x: replace(x, mixing=replace(x.mixing, scale=1.01 * x.mixing.scale)), "logits"),
    "causal": (lambda x: replace(x, mixing=replace(x.mixing, ahead=0)), "logits"),
    "feed-forward left out": (lambda x: replace(x, after=Identity()), "logits"),
    "tangents": (lambda x: replace(x, after=Askew(x.after, jvp_by=1.01)), "heads and skip"),
    "gradients": (lambda x: replace(x, before=Askew(x.before, vjp_by=1.01)), "words' influences"),
}


def broken(model: LoadedModel, change: Change) -> LoadedModel:
    """Return a model whose second layer is changed in its adapter."""
    first, second, *others = model.adapter.layers
    adapter: Adapter = replace(model.adapter, layers=(first, change(second), *others))
    return replace(model, adapter=adapter)


@pytest.mark.parametrize("part", BROKEN)
def test_a_broken_adapter_is_noticed(bert: LoadedModel, part: str) -> None:
    change, what = BROKEN[part]
    model = broken(bert, change)
    found = check(model)
    wrong = [c.what for c in found if not c.is_right]
    assert what in wrong
    if part in ("tangents", "gradients"):
        assert "logits" not in wrong
    with pytest.raises(IpgraphError, match=r"cannot be trusted: \d+ of 21 comparisons fail; .* differ by"):
        require_right(model, found)


def test_nan_and_another_choice_are_not_right(bert: LoadedModel) -> None:
    right = Comparison("a b", "b", "positions", 1, 2, 0.0, agrees=True)
    require_right(bert, [right])
    for wrong in (replace(right, difference=float("nan")), replace(right, agrees=False)):
        with pytest.raises(IpgraphError, match="1 of 2 comparisons fail; positions in layer 1"):
            require_right(bert, [right, wrong])


def test_a_model_of_less_precision_is_not_checked(bert: LoadedModel) -> None:
    with pytest.raises(UsageError, match="is checked in float64 on the CPU"):
        check(replace(bert, dtype=torch.float32))


@pytest.mark.parametrize(
    ("count", "expected"), [(0, []), (1, [0]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (30, [0, 10, 19, 29])]
)
def test_layers_are_evenly_spread(count: int, expected: list[int]) -> None:
    assert spread(count) == expected


def test_the_oracle_knows_every_family() -> None:
    assert set(families()) <= set(oracle.FAMILIES)
