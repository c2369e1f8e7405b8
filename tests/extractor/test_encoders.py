"""Every family of encoders against transformers and against the definition, on random models."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from support.families import (
    SEEDS,
    VOCABULARY,
    WINDOW,
    adapter_of,
    angles_of_the_first,
    assert_as_defined,
    assert_windows,
    difference,
    layers_changed,
    logits_of,
    no_rotation,
    of,
    questions_of,
    transformers_logits,
    without_float32,
    words_of,
)
from support.random_encoders import FAMILIES, TASKS, WITH_TYPES, random_encoder
from torch import Tensor

from ipgraph.extractor.models.adapter import Adapter, Mixing
from ipgraph.extractor.models.blocks import Linear
from ipgraph.extractor.models.oracle import Question
from ipgraph.graphstore.common.errors import UsageError


def asked_of(model: Any, family: str, task: str) -> list[Question]:
    """Return sentences with the target in their midst, or of a classifier at the first position."""
    targets, logits = ((0, 0, 0), (2, 0)) if task == "classifier" else ((2, 6, 3), (7, 11))
    return questions_of(model, targets, logits, has_types=family in WITH_TYPES)


@pytest.mark.parametrize("task", TASKS)
def test_what_transformers_computes_in_float32_is_equal_to_rounding(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_encoder("modernbert", task, 0)
    asked = asked_of(model, "modernbert", task)
    before = transformers_logits(model, asked)
    after = transformers_logits(without_float32(model, monkeypatch), asked)
    assert 0 < (before - after).abs().max() <= 1e-5 * after.abs().max()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_transformers(family: str, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = without_float32(random_encoder(family, task, 0), monkeypatch)
    adapter = adapter_of(model)
    assert difference(adapter, model, asked_of(model, family, task)) <= 1e-12
    assert adapter.reads == "first"
    assert torch.equal(adapter.words, words_of(model, tuple(range(VOCABULARY))))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_choice_is_what_the_definition_says(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = []
    for task, seed in zip(TASKS, SEEDS, strict=True):
        model = without_float32(random_encoder(family, task, seed), monkeypatch)
        cases.append((model, asked_of(model, family, task)))
    assert_as_defined(cases)


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_are_the_models(family: str) -> None:
    model = random_encoder(family, "masked-lm", 0)
    asked = asked_of(model, family, "masked-lm")
    assert_windows(model, asked[1])
    assert_windows(model, asked[2])


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta", "camembert", "mpnet"])
def test_positions_begin_after_that_of_the_padding(family: str) -> None:
    """As the model has them when it sees token ids, padding and all."""
    model = random_encoder(family, "masked-lm", 0)
    asked = asked_of(model, family, "masked-lm")
    adapter, padding = adapter_of(model), model.config.pad_token_id
    ids = torch.tensor([[*asked[0].ids, *[padding] * 3]])
    with torch.no_grad():
        inputs = {"attention_mask": (ids != padding).long()}
        if asked[0].types:
            inputs["token_type_ids"] = torch.tensor([[*asked[0].types, 0, 0, 0]])
        logits = model(ids, **inputs).logits[0, asked[0].target]
    (found,) = logits_of(adapter, asked[:1], VOCABULARY)
    assert (found - logits).abs().max() <= 1e-12 * logits.abs().max()
    first = {"mpnet": 2}.get(family, padding + 1)
    assert adapter.max_positions == model.config.max_position_embeddings - first
    model(torch.full((1, adapter.max_positions), 7))
    with pytest.raises((IndexError, RuntimeError)):
        model(torch.full((1, adapter.max_positions + 1), 7))


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("modernbert", {"classifier_pooling": "mean"}, "reads the mean of all positions"),
    ("albert", {"inner_group_num": 2}, "2 blocks each"),
]


@pytest.mark.parametrize(("family", "setting", "reason"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_what_an_adapter_has_wrong_is_refused(family: str, setting: dict[str, Any], reason: str) -> None:
    model = random_encoder(family, "classifier", 0, **setting)
    with pytest.raises(UsageError, match=reason):
        adapter_of(model)


def no_types(adapter: Adapter) -> Adapter:
    return replace(adapter, offset=lambda types: adapter.offset(torch.zeros_like(types)))


def no_offset(adapter: Adapter) -> Adapter:
    return replace(adapter, offset=lambda types: 0 * adapter.offset(types))


def shifted(adapter: Adapter) -> Adapter:
    """Return the adapter with each position taken for the one after it."""

    def offset(types: Tensor) -> Tensor:
        one_more = torch.cat([types, types[:, -1:]], 1)
        return adapter.offset(one_more)[:, 1:]

    return replace(adapter, offset=offset)


def no_norm_at_the_entrance(adapter: Adapter) -> Adapter:
    return replace(adapter, enter=adapter.enter.blocks[1])  # type: ignore[attr-defined]


def first_layer_only(adapter: Adapter) -> Adapter:
    return replace(adapter, layers=adapter.layers[:1] * len(adapter.layers))


MODERN = [name for name in FAMILIES if name.startswith("modernbert")]
POSITIONED = [name for name in FAMILIES if name not in MODERN]
LEFT_OUT: dict[str, tuple[Callable[[Adapter], Adapter], list[str]]] = {
    "angles": (layers_changed(no_rotation), MODERN),
    "angles by layer": (angles_of_the_first, MODERN),
    "biases": (layers_changed(of(Linear, bias=None)), [name for name in FAMILIES if name != "modernbert"]),
    "scale": (layers_changed(of(Mixing, scale=1.0)), list(FAMILIES)),
    "windows": (layers_changed(of(Mixing, behind=None, ahead=None)), MODERN),
    "windows ahead": (layers_changed(of(Mixing, ahead=None)), MODERN),
    "windows by layer": (layers_changed(of(Mixing, behind=WINDOW - 1, ahead=WINDOW - 1)), MODERN),
    "relative bias": (layers_changed(of(Mixing, bias=None)), ["mpnet"]),
    "positions": (no_offset, POSITIONED),
    "shift of positions": (shifted, POSITIONED),
    "types": (no_types, WITH_TYPES),
    "norm before the projection": (no_norm_at_the_entrance, ["electra", "albert"]),
    "the second group": (first_layer_only, ["albert, two groups"]),
}


@pytest.mark.parametrize(
    ("family", "part"), [(family, part) for part, (_, families) in LEFT_OUT.items() for family in families]
)
def test_leaving_a_part_out_is_noticed(family: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = without_float32(random_encoder(family, "masked-lm", 0), monkeypatch)
    adapter = LEFT_OUT[part][0](adapter_of(model))
    assert difference(adapter, model, asked_of(model, family, "masked-lm")) > 1e-4
