"""Every family of decoders against transformers and against the definition, on random models."""

from collections.abc import Callable, Iterator
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
    in_float64,
    layers_changed,
    no_rotation,
    norms_of,
    of,
    questions_of,
    trace_of,
    transformers_logits,
    without_float32,
    words_of,
)
from support.random_decoders import FAMILIES, TASKS, random_decoder

from ipgraph.extractor.models.adapter import Adapter, Layer, Mixing
from ipgraph.extractor.models.blocks import Identity, Linear
from ipgraph.extractor.models.composites import Chain, Columns, PerHead
from ipgraph.extractor.models.oracle import Question
from ipgraph.graphstore.common.errors import UsageError


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


def asked_of(model: Any, task: str) -> list[Question]:
    """Return sentences, where the task allows it with words after the target."""
    targets, logits = ((-1, -1, -1), (2, 0)) if task == "classifier" else ((-1, -1, -2), (7, 11))
    return questions_of(model, targets, logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_transformers_computes_in_float32_is_equal_to_rounding(
    family: str, patch: pytest.MonkeyPatch
) -> None:
    model = random_decoder(family, "causal-lm", 0)
    asked = asked_of(model, "causal-lm")
    for norm in norms_of(model):
        x = torch.randn(4, len(norm.weight), dtype=torch.float64)
        assert torch.allclose(norm(x), in_float64(norm)(x), rtol=1e-6, atol=1e-6)
    before = transformers_logits(model, asked)
    after = transformers_logits(without_float32(model, patch), asked)
    assert (before - after).abs().max() <= 1e-5 * after.abs().max()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_transformers(family: str, task: str, patch: pytest.MonkeyPatch) -> None:
    model = without_float32(random_decoder(family, task, 0), patch)
    adapter = adapter_of(model)
    assert difference(adapter, model, asked_of(model, task)) <= 1e-12
    assert adapter.reads == "last"
    ids = tuple(range(VOCABULARY))
    assert torch.equal(adapter.words, words_of(model, ids))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_choice_is_what_the_definition_says(family: str, task: str, patch: pytest.MonkeyPatch) -> None:
    models = [without_float32(random_decoder(family, task, seed), patch) for seed in SEEDS]
    assert_as_defined([(model, asked_of(model, task)) for model in models])


@pytest.mark.parametrize("family", FAMILIES)
def test_no_position_sees_those_after_it(family: str) -> None:
    model = random_decoder(family, "causal-lm", 0)
    for near in trace_of(adapter_of(model), asked_of(model, "causal-lm")).windows:
        assert near is not None
        assert not near.triu(1).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_are_the_models(family: str) -> None:
    model = random_decoder(family, "causal-lm", 0)
    assert_windows(model, asked_of(model, "causal-lm")[1])


LONG = {"factor": 4.0, "original_max_position_embeddings": 6}
LONG_ANGLES: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"rope_type": "linear", "factor": 4.0}),
    ("llama", {"rope_type": "dynamic", "factor": 4.0}),
    ("llama", {"rope_type": "yarn"} | LONG),
    ("llama", {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0} | LONG),
    (
        "phi3",
        {"rope_type": "longrope", "short_factor": [1.5] * 2, "long_factor": [9.0] * 2, "factor": 4.0},
    ),
]


@pytest.mark.parametrize(("family", "rope"), LONG_ANGLES, ids=[rope["rope_type"] for _, rope in LONG_ANGLES])
def test_angles_for_long_texts_are_the_models(
    family: str, rope: dict[str, Any], patch: pytest.MonkeyPatch
) -> None:
    changes = {"original_max_position_embeddings": 12} if family == "phi3" else {}
    rope = {"rope_theta": 10.0} | rope
    model = random_decoder(family, "causal-lm", 0, rope_parameters=rope, **changes)
    adapter, asked = adapter_of(without_float32(model, patch)), asked_of(model, "causal-lm")
    assert difference(adapter, model, asked) <= 1e-12
    assert adapter.max_positions == (12 if family == "phi3" else 24)


def test_positions_that_see_later_ones_are_refused() -> None:
    model = random_decoder("gemma3", "causal-lm", 0, use_bidirectional_attention=True)
    with pytest.raises(UsageError, match="see those after them"):
        adapter_of(model)


def no_head_norm(block: Any) -> Any:
    return Identity() if isinstance(block, PerHead) else block


def other_groups(block: Any) -> Any:
    """Give every head the keys and values of the next group."""
    if not isinstance(block, Layer):
        return block
    widths, size = block.mixing.widths, block.mixing.size
    turn = Linear(torch.eye(widths[1], dtype=torch.float64).roll(size, 0))
    return replace(block, before=Chain((block.before, Columns(widths, (Identity(), turn, turn)))))


def serial(block: Any) -> Any:
    if not isinstance(block, Layer):
        return block
    return replace(block, beside=Identity(), after=block.beside)


GROUPED = ["llama", "mistral", "qwen2", "qwen3", "phi3", "olmo2", "gemma2", "gemma3"]
WINDOWED = ["mistral", "qwen2", "qwen3", "phi3", "gemma2", "gemma3"]
LEFT_OUT: dict[str, tuple[Callable[[Adapter], Adapter], list[str]]] = {
    "angles": (layers_changed(no_rotation), ["gpt_neox", *GROUPED]),
    "angles by layer": (angles_of_the_first, ["gemma3"]),
    "groups": (layers_changed(other_groups), GROUPED),
    "biases": (layers_changed(of(Linear, bias=None)), ["gpt2", "gpt_neox", "qwen2"]),
    "scale": (layers_changed(of(Mixing, scale=1.0)), list(FAMILIES)),
    "scale of its own": (layers_changed(of(Mixing, scale=6**-0.5)), ["gemma2", "gemma3"]),
    "cap": (layers_changed(of(Mixing, cap=None)), ["gemma2"]),
    "windows": (layers_changed(of(Mixing, behind=None)), WINDOWED),
    "windows by layer": (
        layers_changed(of(Mixing, behind=WINDOW - 1)),
        ["qwen2", "qwen3", "gemma2", "gemma3"],
    ),
    "order": (layers_changed(of(Mixing, ahead=None)), list(FAMILIES)),
    "norms of heads": (layers_changed(no_head_norm), ["qwen3", "gemma3"]),
    "parallel branches": (layers_changed(serial), ["gpt_neox"]),
    "positions": (lambda adapter: replace(adapter, offset=lambda types: 0 * adapter.offset(types)), ["gpt2"]),
    "scale of words": (lambda adapter: replace(adapter, words=adapter.words / 4), ["gemma2", "gemma3"]),
}


@pytest.mark.parametrize(
    ("family", "part"), [(family, part) for part, (_, families) in LEFT_OUT.items() for family in families]
)
def test_leaving_a_part_out_is_noticed(family: str, part: str, patch: pytest.MonkeyPatch) -> None:
    model = without_float32(random_decoder(family, "causal-lm", 0), patch)
    asked = asked_of(model, "causal-lm")
    adapter = LEFT_OUT[part][0](adapter_of(model))
    assert difference(adapter, model, asked) > 1e-4


@pytest.mark.parametrize("family", ["gemma2", "gemma3"])
def test_leaving_the_cap_of_the_vocabulary_out_is_noticed(family: str, patch: pytest.MonkeyPatch) -> None:
    model = without_float32(random_decoder(family, "causal-lm", 0), patch)
    asked = asked_of(model, "causal-lm")
    cap, model.config.final_logit_softcapping = model.config.final_logit_softcapping, None
    adapter = adapter_of(model)
    model.config.final_logit_softcapping = cap
    assert difference(adapter, model, asked) > 1e-2
