"""Every family of decoders against transformers and against the definition, on random models."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch
from support.comparison import assert_same, batch_of, fast, integration_path_of
from support.random_decoders import (
    FAMILIES,
    HEADS,
    LAYERS,
    TASKS,
    VOCABULARY,
    WINDOW,
    in_float64,
    norms_of,
    random_decoder,
    without_float32,
)
from torch import Tensor

from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.adapter import Adapter, Layer, Mixing
from ipgraph.extractor.models.blocks import Identity, Linear, Rotary
from ipgraph.extractor.models.composites import Chain, Columns, PerHead
from ipgraph.extractor.models.oracle import SKIP, Guided, Question
from ipgraph.extractor.models.registry import ARCHITECTURES
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import UsageError

LENGTHS, N_STEPS, SEEDS = (5, 8, 6), 4, (0, 1)
BASELINE = 4


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


def adapter_of(model: Any) -> Adapter:
    return ARCHITECTURES[type(model).__name__].adapter(model)


def words_of(model: Any, ids: tuple[int, ...]) -> Tensor:
    words: Tensor = model.get_input_embeddings()(torch.tensor(ids))
    return words


def asked_of(model: Any, task: str) -> list[Question]:
    """Return sentences with a baseline word, and where the task allows it words after the target."""
    chance = torch.Generator().manual_seed(1)
    (baseline,) = words_of(model, (BASELINE,))
    ids = [torch.randint(5, VOCABULARY, (n,), generator=chance).tolist() for n in LENGTHS]
    ids[0][2] = BASELINE
    is_classifier = task == "classifier"
    after, logits = ((0, 0, 0), (2, 0)) if is_classifier else ((0, 0, 1), (7, 11))
    return [
        Question(tuple(row), len(row) - 1 - rest, *logits, baseline, *oracle.uniform(N_STEPS))
        for row, rest in zip(ids, after, strict=True)
    ]


def trace_of(adapter: Adapter, asked: list[Question], *, keep: bool = True, extra: int = 0) -> Trace:
    path = integration_path_of("uniform", N_STEPS, adapter.words)
    with torch.no_grad():
        return Trace(adapter, batch_of(asked, extra=extra), path, asked[0].baseline, keep=keep)


def logits_of(adapter: Adapter, asked: list[Question], count: int) -> Tensor:
    """Return the first `count` logits at each target, of a padded batch."""
    seen = []

    def spy(h: Tensor, rows: Tensor | None) -> Tensor:
        seen.append(h)
        return adapter.logits(h, rows)

    trace_of(replace(adapter, logits=spy), asked, extra=2)
    return adapter.logits(seen[0][:, 1:], torch.arange(count).expand(len(asked), -1))[:, 0]


def transformers_logits(model: Any, asked: list[Question]) -> Tensor:
    with torch.no_grad():
        found = [question.logits(model, words_of(model, question.ids)[None])[0] for question in asked]
    return torch.stack([f if f.dim() == 1 else f[q.target] for f, q in zip(found, asked, strict=True)])


def difference(adapter: Adapter, model: Any, asked: list[Question]) -> float:
    """Return how far the adapter's logits are off, relative to the largest."""
    expected = transformers_logits(model, asked)
    return float(
        (logits_of(adapter, asked, expected.shape[-1]) - expected).abs().max() / expected.abs().max()
    )


def sees_of(model: Any, question: Question) -> oracle.Sees:
    """Return which positions see which, by the model's own attention probabilities."""
    with torch.no_grad():
        out = model(inputs_embeds=words_of(model, question.ids)[None], output_attentions=True)
    seen = [p[0].sum(0) > 0 for p in out.attentions]
    return lambda layer, destination, source: bool(seen[layer][destination, source])


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
    found: list[Guided] = []
    for seed in SEEDS:
        model = without_float32(random_decoder(family, task, seed), patch)
        asked, adapter = asked_of(model, task), adapter_of(model)
        sees = [sees_of(model, question) for question in asked]
        expected = [oracle.gpr(model, q, sees=s) for q, s in zip(asked, sees, strict=True)]
        for keep, extra in ((True, 0), (True, 3), (False, 0)):
            with torch.no_grad():
                patterns = fast(trace_of(adapter, asked, keep=keep, extra=extra))
            for ours, theirs in zip(patterns, expected, strict=True):
                largest = max(abs(one.position_influences[0]) for one in theirs)
                assert_same(ours, theirs, 1e-9 * min(1.0, largest))
        for patterns_of_one, s in zip(expected, sees, strict=True):
            assert_possible(patterns_of_one, s)
        found += [one for patterns in expected for one in patterns]
    moves, skips = oracle.variety(found)
    assert moves >= 1 / 3
    assert 0.05 <= skips <= 0.9
    assert {hop for one in found for hop in one.hops} == {SKIP, *range(HEADS)}


def assert_possible(patterns: list[Guided], sees: oracle.Sees) -> None:
    """Assert that no path goes back in time or leaves a window."""
    for one in patterns:
        steps = zip((one.word, *one.positions), one.positions, strict=False)
        for layer, (source, destination) in enumerate(steps):
            assert source <= destination
            assert sees(layer, destination, source)


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_are_the_models(family: str) -> None:
    model = random_decoder(family, "causal-lm", 0)
    (question,) = asked_of(model, "causal-lm")[1:2]
    sees, length = sees_of(model, question), len(question.ids)
    windows = trace_of(adapter_of(model), [question]).windows
    for layer in range(LAYERS):
        near = windows[layer]
        assert near is not None
        assert near.tolist() == [[sees(layer, e, j) for j in range(length)] for e in range(length)]


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


Change = Callable[[Any], Any]


def changed(value: Any, change: Change) -> Any:
    """Return blocks and all that is in them, changed."""
    if isinstance(value, tuple):
        return tuple(changed(part, change) for part in value)
    value = change(value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    parts = {field.name: changed(getattr(value, field.name), change) for field in fields(value)}
    return type(value)(**parts)


def of(kind: Any, **attributes: Any) -> Change:
    return lambda block: replace(block, **attributes) if isinstance(block, kind) else block


def no_rotation(block: Any) -> Any:
    if not isinstance(block, Rotary):
        return block
    return Rotary(torch.ones_like(block.cos), torch.zeros_like(block.sin), block.size)


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


def layers_changed(change: Change) -> Callable[[Adapter], Adapter]:
    return lambda adapter: replace(adapter, layers=changed(adapter.layers, change))


def angles_of_the_first(adapter: Adapter) -> Adapter:
    found: list[Rotary] = []

    def first(block: Any) -> Any:
        if isinstance(block, Rotary):
            found.append(block)
            return found[0]
        return block

    return layers_changed(first)(adapter)


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
