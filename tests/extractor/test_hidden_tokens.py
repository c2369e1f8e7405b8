"""Hidden token attribution against autograd's Jacobians of the Hugging Face models."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import spearmanr
from support.asked_models import case_of
from support.comparison import batch_of
from support.families import HEADS, adapter_of, questions_of, without_float32
from support.module_jacobians import catch, jacobian_norms, shares
from support.random_decoders import FAMILIES as DECODERS
from support.random_decoders import random_decoder
from support.random_encoders import FAMILIES as ENCODERS
from support.random_encoders import WITH_TYPES, random_encoder
from support.random_models import random_model

from ipgraph.extractor.methods.hidden_tokens import jacobians
from ipgraph.extractor.methods.hidden_tokens.jacobians import HiddenTokens, hidden_tokens
from ipgraph.extractor.methods.hidden_tokens.method import hta
from ipgraph.extractor.methods.hidden_tokens.views import divergence, mass, mixing, rank_correlation
from ipgraph.extractor.models.oracle import Question

NAMES = ["bert", *ENCODERS, *DECODERS]


def model_of(name: str, patch: pytest.MonkeyPatch) -> Any:
    if name == "bert":
        return random_model("masked-lm", 3, HEADS, 16, 0)
    model = random_encoder(name, "masked-lm", 0) if name in ENCODERS else random_decoder(name, "causal-lm", 0)
    return without_float32(model, patch)


@pytest.mark.parametrize("name", NAMES)
def test_every_jacobian_is_autograds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name, monkeypatch)
    asked = questions_of(model, (1, 2, 3), (7, 11), has_types=name in WITH_TYPES)
    found = hidden_tokens(adapter_of(model), batch_of(asked, extra=2))
    for question, ours in zip(asked, found, strict=True):
        caught = catch(model, question)
        by_head, states = jacobian_norms(caught, HEADS)
        assert len(by_head) == len(ours.heads) == len(ours.hidden) == 3
        for one, norms in zip([*ours.heads, *ours.hidden], [*by_head, *states], strict=True):
            assert (one - shares(norms)).abs().max() <= 1e-9
        for p, expected in zip(ours.attention, caught.attentions, strict=True):
            assert (p - expected).abs().max() <= 1e-9


@pytest.mark.parametrize("name", ["bert", "gpt_neox", "gemma2"])
def test_the_variant_weighs_columns_by_the_input(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name, monkeypatch)
    asked = questions_of(model, (1, 2, 3), (7, 11))
    (ours, *_) = hidden_tokens(adapter_of(model), batch_of(asked), times_input=True)
    _, states = jacobian_norms(catch(model, asked[0]), HEADS, times_input=True)
    assert (ours.hidden - shares(torch.stack(states))).abs().max() <= 1e-9


@pytest.mark.parametrize(("name", "value"), [("_VALUES", 1), ("_MATRIX_BYTES", 0)])
@pytest.mark.parametrize("family", ["electra", "gpt_neox", "llama"])
def test_little_memory_changes_nothing(
    family: str, name: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(family, monkeypatch)
    batch = batch_of(questions_of(model, (1, 2, 3), (7, 11)))
    expected = hidden_tokens(adapter_of(model), batch)
    monkeypatch.setattr(jacobians, name, value)
    for ours, theirs in zip(hidden_tokens(adapter_of(model), batch), expected, strict=True):
        assert torch.allclose(ours.hidden, theirs.hidden, rtol=0, atol=1e-12)
        assert torch.allclose(torch.stack(ours.heads), torch.stack(theirs.heads), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", DECODERS)
def test_what_cannot_be_heard_is_zero(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name, monkeypatch)
    for ours in hidden_tokens(adapter_of(model), batch_of(questions_of(model, (1, 2, 3), (7, 11)))):
        for matrices in (ours.hidden, *ours.heads, *ours.attention):
            assert not matrices.triu(1).any()
            assert torch.allclose(matrices.sum(-1), torch.ones(()).double())


def test_one_token_is_all_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("llama", monkeypatch)
    batch = batch_of(questions_of(model, (0, 0, 0), (7, 11))).alone(0)
    batch = type(batch)(
        batch.ids[:, :1], batch.types[:, :1], batch.mask[:, :1], batch.target, batch.qoi_logits
    )
    (ours,) = hidden_tokens(adapter_of(model), batch)
    assert ours.hidden.tolist() == [[[1.0]]] * 3
    assert mixing(ours.hidden.numpy()).tolist() == [[0.0]] * 3


def views_of(name: str, patch: pytest.MonkeyPatch) -> HiddenTokens:
    model = model_of(name, patch)
    return hidden_tokens(adapter_of(model), batch_of(questions_of(model, (1, 2, 3), (7, 11))))[1]


@pytest.mark.parametrize("name", ["bert", "mistral"])
def test_views_are_compared_as_scipy_compares_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = views_of(name, monkeypatch)
    for p, c in zip(found.attention, found.heads, strict=True):
        local, overall = p.numpy(), c.numpy()
        bits, correlation = divergence(local, overall), rank_correlation(local, overall)
        for at in np.ndindex(bits.shape):
            one, other = local[at], overall[at]
            assert bits[at] == pytest.approx(jensenshannon(one, other, base=2) ** 2, abs=1e-12)
            heard = (one > 0) | (other > 0)
            if heard.sum() < 2:
                assert np.isnan(correlation[at])
            else:
                assert correlation[at] == pytest.approx(spearmanr(one[heard], other[heard]).statistic)


def test_views_of_equal_and_disjoint_rows() -> None:
    one, other = np.array([[0.5, 0.5, 0.0]]), np.array([[0.0, 0.0, 1.0]])
    assert divergence(one, one).tolist() == [0.0]
    assert divergence(one, other).tolist() == pytest.approx([1.0])
    assert np.isnan(rank_correlation(one, one)).tolist() == [True]


def test_mass_of_patterns_by_hand() -> None:
    rows = np.array([[[0.1, 0.2, 0.7], [0.3, 0.4, 0.3], [0.6, 0.1, 0.3]]])
    expected = {"previous": 0.2, "same": 0.8 / 3, "next": 0.25, "first": 1.0 / 3, "last": 1.3 / 3}
    assert {name: mass(rows, name)[0] for name in expected} == pytest.approx(expected)
    assert np.isnan(mass(np.ones((1, 1, 1)), "next"))[0]
    assert mixing(rows)[0].tolist() == pytest.approx([0.9, 0.6, 0.7])


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_the_method_scores_the_targets_row(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_of(kind, tmp_path, monkeypatch)
    for sentence, one in zip(case.sentences, hta(case.asked("hta"), case.sentences), strict=True):
        nothing = torch.zeros(1)
        asked = Question(
            tuple(sentence.ids), sentence.target, *sentence.qoi_logits, nothing, nothing, nothing
        )
        heads = case.model.adapter.heads
        caught = catch(case.model.module, asked)
        by_head, states = ([shares(norms).numpy() for norms in of] for of in jacobian_norms(caught, heads))
        assert one.scores == pytest.approx(states[-1][sentence.target], rel=0, abs=1e-9)
        assert one.matrices["hidden"] == pytest.approx(np.stack(states), rel=0, abs=1e-9)
        assert one.mixing == pytest.approx([1 - np.trace(m) / len(m) for m in states], abs=1e-9)
        assert one.views is not None
        for layer, head in np.ndindex(len(states), heads):
            local, overall = caught.attentions[layer][head].numpy(), by_head[layer][head]
            rows = list(zip(local, overall, strict=True))
            bits = [jensenshannon(p, c, base=2) ** 2 for p, c in rows]
            heard = [(p[p > 0], c[p > 0]) for p, c in rows]
            ranks = [spearmanr(p, c).statistic for p, c in heard if len(p) > 1]
            assert one.views.divergences[layer, head] == pytest.approx(np.mean(bits), abs=1e-9)
            assert one.views.correlations[layer, head] == pytest.approx(np.mean(ranks), abs=1e-9)
            for masses, view in ((one.views.local_masses, local), (one.views.global_masses, overall)):
                expected = [np.diagonal(view, offset).mean() for offset in (-1, 0, 1)]
                expected += [view[:, 0].mean(), view[:, -1].mean()]
                assert masses[layer, head] == pytest.approx(expected, abs=1e-9)


def test_views_of_one_token_have_no_correlation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of("gpt2", tmp_path, monkeypatch)
    whole = case.sentences[0]
    (found,) = hta(case.asked("hta"), [replace(whole, ids=whole.ids[:1], types=whole.types[:1], target=0)])
    assert found.scores.tolist() == [1.0]
    assert found.views is not None
    assert np.isnan(found.views.correlations).all()
    assert not found.views.divergences.any()
    assert np.isnan(found.views.local_masses[..., [0, 2]]).all()
    assert (found.views.global_masses[..., [1, 3, 4]] == 1).all()
