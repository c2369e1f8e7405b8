"""Families of models, small and random in float64, against transformers and the oracle."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple

import pytest
import torch
import transformers
from torch import Tensor
from torch.nn import functional

from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.blocks import Rotary
from ipgraph.extractor.models.oracle import SKIP, Guided, Question
from ipgraph.extractor.models.registry import ARCHITECTURES
from ipgraph.extractor.tracing.trace import Trace
from support.comparison import assert_same, batch_of, fast, integration_path_of

VOCABULARY, LAYERS, HEADS, WINDOW = 40, 3, 4, 3
BASELINE, LENGTHS, N_STEPS, SEEDS = 4, (5, 8, 6), 4, (0, 1)


class Family(NamedTuple):
    """A family's classes in transformers, and what its config has."""

    config: str
    language_model: str
    classifier: str
    settings: dict[str, Any]


def angles(theta: float, **more: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta, **more}


def random_of(family: Family, task: str, seed: int, scale: float, **changes: Any) -> Any:
    """Return a random model in float64, as transformers computes it; `changes` are to its config.

    `scale` multiplies what attention adds and how sharply it looks.
    """
    torch.manual_seed(seed)
    common: dict[str, Any] = {"attn_implementation": "eager", "tie_word_embeddings": False, "num_labels": 3}
    common |= {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = getattr(transformers, family.config)(**(common | family.settings | changes))
    kind = family.classifier if task == "classifier" else family.language_model
    model = getattr(transformers, kind)(config).double().eval().requires_grad_(False)
    tables = [module.weight for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    for name, weight in model.named_parameters():
        is_table = any(weight is table for table in tables)
        weight.copy_(
            _random_weight(name, weight, scale, is_table=is_table, is_gemma="Gemma" in family.config)
        )
    return model


def _random_weight(name: str, weight: Tensor, scale: float, *, is_table: bool, is_gemma: bool) -> Tensor:
    noise: Tensor = torch.randn(weight.shape, dtype=torch.float64)
    if weight.dim() == 1 and "weight" in name:
        return 0.2 * noise + (0 if is_gemma else 1)
    if name.endswith("bias"):
        return 0.5 * noise
    if is_table:
        return noise * (0.25 if is_gemma else 1.0)
    fan = weight.shape[0] if ".c_" in name else weight.shape[1]
    return noise * ((scale if "att" in name else 1.0) / math.sqrt(fan))


def norms_of(model: Any) -> list[Any]:
    return [module for module in model.modules() if "RMSNorm" in type(module).__name__]


def in_float64(norm: Any) -> Callable[[Tensor], Tensor]:
    """Return what an RMSNorm module computes, in the type of its input."""
    is_gemma = hasattr(norm, "eps")
    gain = norm.weight + 1 if is_gemma else norm.weight
    eps = norm.eps if is_gemma else norm.variance_epsilon
    return lambda x: gain * x / (x.square().mean(-1, keepdim=True) + eps).sqrt()


def without_float32(model: Any, patch: pytest.MonkeyPatch) -> Any:
    """Let a model compute RMSNorm, and all models while `patch` lasts softmax, in the type of the input.

    ModernBERT also turns its queries and keys in float32.
    """
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
    from transformers.models.modernbert import modeling_modernbert

    softmax = functional.softmax
    patch.setattr(functional, "softmax", lambda x, dim=None, dtype=None: softmax(x, dim=dim))  # noqa: ARG005
    patch.setattr(modeling_modernbert, "apply_rotary_pos_emb", apply_rotary_pos_emb)
    for norm in norms_of(model):
        norm.forward = in_float64(norm)
    return model


def adapter_of(model: Any) -> Adapter:
    return ARCHITECTURES[type(model).__name__].adapter(model)


def words_of(model: Any, ids: tuple[int, ...]) -> Tensor:
    words: Tensor = model.get_input_embeddings()(torch.tensor(ids))
    return words


def questions_of(
    model: Any, targets: Sequence[int], logits: tuple[int, int], *, has_types: bool = False
) -> list[Question]:
    """Return sentences of LENGTHS with a baseline word, targets counted from the end where negative."""
    chance = torch.Generator().manual_seed(1)
    (baseline,) = words_of(model, (BASELINE,))
    ids = [torch.randint(5, VOCABULARY, (n,), generator=chance).tolist() for n in LENGTHS]
    ids[0][2] = BASELINE
    types = [tuple(int(i > 2) for i in range(n)) if has_types else () for n in LENGTHS]
    return [
        Question(tuple(row), target % len(row), *logits, baseline, *oracle.uniform(N_STEPS), kinds)
        for row, target, kinds in zip(ids, targets, types, strict=True)
    ]


def trace_of(adapter: Adapter, asked: list[Question], *, keep: bool = True, extra: int = 0) -> Trace:
    path = integration_path_of("uniform", len(asked[0].points), adapter.words)
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
    found = logits_of(adapter, asked, expected.shape[-1])
    return float((found - expected).abs().max() / expected.abs().max())


def sees_of(model: Any, question: Question) -> oracle.Sees:
    """Return which positions see which, by the model's own attention probabilities."""
    with torch.no_grad():
        out = model(inputs_embeds=words_of(model, question.ids)[None], output_attentions=True)
    seen = [p[0].sum(0) > 0 for p in out.attentions]
    return lambda layer, destination, source: bool(seen[layer][destination, source])


def assert_as_defined(cases: Sequence[tuple[Any, list[Question]]]) -> None:
    """Assert that every choice and number is the oracle's, padded, batched and recomputed, and varied."""
    found: list[Guided] = []
    for model, asked in cases:
        adapter = adapter_of(model)
        sees = [sees_of(model, question) for question in asked]
        expected = [oracle.gpr(model, q, sees=s) for q, s in zip(asked, sees, strict=True)]
        for keep, extra in ((True, 0), (True, 3), (False, 0)):
            with torch.no_grad():
                patterns = fast(trace_of(adapter, asked, keep=keep, extra=extra))
            for ours, theirs in zip(patterns, expected, strict=True):
                largest = max(abs(one.position_influences[0]) for one in theirs)
                assert_same(ours, theirs, 1e-9 * min(1.0, largest))
        for patterns_of_one, s in zip(expected, sees, strict=True):
            assert_seen(patterns_of_one, s)
        found += [one for patterns in expected for one in patterns]
    moves, skips = oracle.variety(found)
    assert moves >= 1 / 3
    assert 0.05 <= skips <= 0.9
    assert {hop for one in found for hop in one.hops} == {SKIP, *range(HEADS)}


def assert_seen(patterns: list[Guided], sees: oracle.Sees) -> None:
    """Assert that each position of a path sees the one before: none goes back in time or leaves a window."""
    for one in patterns:
        steps = zip((one.word, *one.positions), one.positions, strict=False)
        assert all(sees(layer, destination, source) for layer, (source, destination) in enumerate(steps))


def assert_windows(model: Any, question: Question) -> None:
    """Assert that a position may see what has a probability in the model."""
    sees, length = sees_of(model, question), len(question.ids)
    for layer, near in enumerate(trace_of(adapter_of(model), [question]).windows):
        whole = torch.ones(length, length, dtype=torch.bool) if near is None else near
        assert whole.tolist() == [[sees(layer, e, j) for j in range(length)] for e in range(length)]


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
