"""The methods that guided refinement is compared with, each against something that shares no code with it."""

import itertools
from pathlib import Path as File
from typing import Any

import pytest
import torch
from support import families
from support.comparison import KINDS, questions, trace_of
from support.random_decoders import random_decoder
from support.random_models import random_model
from support.tiny_models import save_masked_lm
from torch import Tensor

from ipgraph.extractor.datasets import Dataset, Example, make_instance
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.methods.catalogue import COMPARABLE, METHODS
from ipgraph.extractor.methods.patterns.chance import random_hops, random_paths
from ipgraph.extractor.methods.patterns.scored import (
    attention,
    attention_max,
    conductance,
    conductances,
    internal_influence,
    internal_influence_l2,
)
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.oracle import Question
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.labels import parse_label


def words_of(trace: Trace) -> Tensor:
    return torch.arange(trace.size[2]).expand(trace.size[0], -1)


# --- conductance ---


@pytest.mark.parametrize("kind", KINDS)
def test_conductance_sums_to_the_difference_of_the_qoi_in_every_layer(kind: str) -> None:
    model = random_model(kind, 4, 2, 12, 5)
    asked = questions(model, kind, [5, 8], 5, n_steps=80, quadrature="gauss-legendre")
    trace = trace_of(model, asked, n_steps=80, quadrature="gauss-legendre", extra=2)
    with torch.no_grad():
        found = conductances(trace, words_of(trace))
    assert found.shape == (2, 10, 3, 10)
    for row, question in enumerate(asked):
        length = len(question.ids)
        assert not found[row, length:].any()
        by_word = torch.tensor(oracle.integrated_gradients(model, question), dtype=torch.float64)
        for layer in range(3):
            assert torch.allclose(found[row, :length, layer].sum(-1), by_word, atol=1e-11)
        difference = oracle.qoi_at(model, question, 1) - oracle.qoi_at(model, question, 0)
        assert found[row].sum((0, 2)).tolist() == pytest.approx([difference] * 3, abs=1e-7)


def test_conductance_of_a_node_by_autograd() -> None:
    """That of node (l, e): the product of the Jacobian from the word to h^l_e with the gradient there."""
    model = random_model("masked-lm", 3, 2, 12, 6)
    (asked,) = questions(model, "masked-lm", [5], 6)
    trace = trace_of(model, [asked])
    with torch.no_grad():
        found, scored = conductances(trace, words_of(trace))[0], conductance(trace, words_of(trace))
    words = model.get_input_embeddings()(torch.tensor(asked.ids))
    moved = words - asked.baseline
    expected = torch.zeros(5, 2, 5, dtype=torch.float64)
    for a, weight in zip(asked.points, asked.weights, strict=True):
        at = asked.baseline + a * moved
        gradients = _hidden_gradients(model, asked, at)
        for word in range(5):
            tangent = torch.zeros_like(at)
            tangent[word] = moved[word]
            _, hidden = torch.autograd.functional.jvp(lambda x: _hidden(model, x), at, tangent)
            expected[word] += weight * (gradients * hidden)[1:-1].sum(-1)
    assert torch.allclose(found, expected, atol=1e-11)
    for word in range(5):
        sign = 1 if found[word, 0].sum() >= 0 else -1
        best = (sign * expected[word]).argmax(-1).tolist()
        assert scored.positions[0, word].tolist() == [word, *best, asked.target]


def _hidden(model: Any, words: Tensor) -> Tensor:
    return torch.stack(model.bert(inputs_embeds=words[None], output_hidden_states=True).hidden_states)[:, 0]


def _hidden_gradients(model: Any, question: Question, words: Tensor) -> Tensor:
    """Return dq/dh^l of layers 0..L at one point, [L + 1, N, H]."""
    output = model(inputs_embeds=words[None].detach().requires_grad_(), output_hidden_states=True)
    gradients = torch.autograd.grad(question.qoi(output.logits).sum(), output.hidden_states)
    return torch.stack(gradients)[:, 0]


# --- internal influence ---


@pytest.mark.parametrize("kind", KINDS)
def test_internal_influence_by_autograd(kind: str) -> None:
    model = random_model(kind, 4, 2, 12, 7)
    asked = questions(model, kind, [6, 4], 7)
    trace = trace_of(model, asked)
    with torch.no_grad():
        summed, norm = (f(trace, words_of(trace)) for f in (internal_influence, internal_influence_l2))
    for row, question in enumerate(asked):
        words = model.get_input_embeddings()(torch.tensor(question.ids))
        mean = torch.zeros(5, len(question.ids), 12, dtype=torch.float64)
        for a, weight in zip(question.points, question.weights, strict=True):
            mean += weight * _hidden_gradients(
                model, question, question.baseline + a * (words - question.baseline)
            )
        for found, expected in ((summed, mean.sum(-1)), (norm, mean.norm(dim=-1))):
            length = len(question.ids)
            assert torch.allclose(found.scores[row, 0, :, :length], expected[1:-1], atol=1e-11)
            best = expected[1:-1].argmax(-1).tolist()
            assert all(
                found.positions[row, word].tolist() == [word, *best, question.target]
                for word in range(length)
            )


# --- attention ---


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_best_paths_by_brute_force(layers: int) -> None:
    model = random_model("masked-lm", layers, 3, 12, 8 + layers)
    asked = questions(model, "masked-lm", [4, 6], 8)
    trace = trace_of(model, asked, extra=1)
    for find, over_heads in ((attention, torch.mean), (attention_max, torch.amax)):
        with torch.no_grad():
            found = find(trace, words_of(trace))
        for row, question in enumerate(asked):
            hops = _residual_attention(model, question, over_heads)
            for word in range(len(question.ids)):
                products = _products(hops, word, question.target)
                best = max(products, key=lambda path: products[path])
                assert tuple(found.positions[row, word].tolist()) == (word, *best)
                for layer, place in itertools.product(range(layers - 1), range(len(question.ids))):
                    through = max(v for path, v in products.items() if path[layer] == place)
                    assert found.scores[row, word, layer, place].item() == pytest.approx(through, rel=1e-9)


def _residual_attention(model: Any, question: Question, over_heads: Any) -> list[Tensor]:
    """Return (attention + identity) / row sums of each layer, [query, key], from the model's own output."""
    with torch.no_grad():
        attentions = model(input_ids=torch.tensor([question.ids]), output_attentions=True).attentions
    mixed = [over_heads(a[0], 0) + torch.eye(len(question.ids)) for a in attentions]
    return [m / m.sum(1, keepdim=True) for m in mixed]


def _products(hops: list[Tensor], word: int, target: int) -> dict[tuple[int, ...], float]:
    """Return the product of every path (h^1 to h^L) from a word to the target."""
    found = {}
    for inner in itertools.product(range(len(hops[0])), repeat=len(hops) - 1):
        path = (word, *inner, target)
        found[path[1:]] = float(
            torch.stack([hop[e, j] for hop, j, e in zip(hops, path[:-1], path[1:], strict=True)]).prod()
        )
    return found


# --- chance ---


def test_chance_depends_on_the_instance_alone() -> None:
    model = random_model("masked-lm", 3, 2, 12, 9)
    asked = questions(model, "masked-lm", [5, 9], 9)
    keys = ["t:a", "t:b"]
    both, alone = trace_of(model, asked), trace_of(model, asked[:1])
    paths = random_paths(both, words_of(both), keys)
    assert torch.equal(paths[0, :5], random_paths(alone, words_of(alone), keys[:1])[0])
    assert not torch.equal(paths[0, :5], random_paths(alone, words_of(alone), keys[1:])[0])
    assert not torch.equal(paths, random_paths(both, words_of(both), keys, seed=1))
    assert paths[0, :, 1:-1].max() < 5
    assert (paths[..., -1] == both.batch.target[:, None]).all()


def test_random_positions_and_hops_are_uniform() -> None:
    model = random_model("masked-lm", 3, 2, 12, 10)
    asked = questions(model, "masked-lm", [4], 10)
    trace = trace_of(model, asked)
    paths = torch.cat([random_paths(trace, words_of(trace), ["a"], seed=seed) for seed in range(400)])
    shares = torch.bincount(paths[..., 1:-1].flatten(), minlength=4) / paths[..., 1:-1].numel()
    assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.03)
    hops = torch.cat([random_hops(trace, p[None], ["a"], seed=seed) for seed, p in enumerate(paths)])
    stays = paths[..., 1:] == paths[..., :-1]
    assert (hops[~stays] >= 0).all()
    for where, candidates in ((stays, 3), (~stays, 2)):
        counts = torch.bincount(hops[where] + 1, minlength=3)[3 - candidates :]
        shares = counts / counts.sum()
        assert shares.tolist() == pytest.approx([1 / candidates] * candidates, abs=0.04)


def causal_trace(family: str) -> tuple[Any, list[Question], Trace]:
    model = random_decoder(family, "causal-lm", 0)
    asked = families.questions_of(model, (-1, -1, -2), (7, 11))
    return model, asked, families.trace_of(families.adapter_of(model), asked)


@pytest.mark.parametrize("family", ["gpt2", "mistral"])
def test_no_methods_path_goes_where_a_decoder_does_not_look(family: str) -> None:
    model, asked, trace = causal_trace(family)
    words, keys = words_of(trace), ["a", "b", "c"]
    scored = (attention, attention_max, conductance, internal_influence, internal_influence_l2)
    found = [method(trace, words).positions for method in scored]
    found += [random_paths(trace, words, keys, seed=seed) for seed in range(5)]
    for row, question in enumerate(asked):
        sees = families.sees_of(model, question)
        for word in trace.has_pattern[row].nonzero()[:, 0].tolist():
            for path in (positions[row, word].tolist() for positions in found):
                assert all(sees(layer, path[layer + 1], path[layer]) for layer in range(len(path) - 1))


def test_random_positions_of_a_decoder_are_uniform_among_those_that_can_be() -> None:
    _, asked, trace = causal_trace("gpt2")
    words, target = words_of(trace), asked[2].target
    draws = torch.stack([random_paths(trace, words, ["a", "b", "c"], seed=seed)[2] for seed in range(600)])
    following = draws[:, 1, 1]  # from position 1
    shares = torch.bincount(following, minlength=target + 1) / len(following)
    assert shares.tolist() == pytest.approx([0.0] + [1 / target] * target, abs=0.06)


# --- as runs ---

TEXTS = ("the farmers that the farmer likes [MASK] old .", "the farmer [MASK] tall .")


def run_of(folder: File, method: str, level: str, **options: Any) -> RunDirectory:
    examples = [Example(make_instance("t", text, correct="is", wrong="are")) for text in TEXTS]
    return extract(
        folder,
        Dataset("t", examples),
        runs_dir=folder / "runs",
        method=method,
        level=level,
        dtype="float64",
        device="cpu",
        n_steps=4,
        **options,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> File:
    return save_masked_lm(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("method", sorted(name for name, m in METHODS.items() if m.family == "paths"))
def test_every_method_makes_a_run_of_the_same_shape(folder: File, method: str) -> None:
    levels = METHODS[method].levels
    level = "both" if len(levels) > 1 else levels[0]
    run = run_of(folder, method, level)
    assert (run.run.method, run.run.level) == (method, level)
    guided = run_of(folder, "gpr", "both").records("patterns")
    patterns = list(run.records("patterns"))
    assert {p.level for p in patterns} == set(levels)
    assert len(patterns) == len(levels) * (10 + 6)
    steps = {s.pattern: s for s in run.records("steps")}
    for pattern in patterns:
        kinds = [parse_label(label)[0] for label in pattern.route.split()]
        assert (kinds[0], kinds[-1]) == ("input", "embedding")
        assert kinds.count("embedding") == 3
        assert pattern.influence == steps[pattern.id].influence
    totals = {(p.instance, p.position): p.total_influence for p in guided}
    assert all(p.total_influence == totals[p.instance, p.position] for p in patterns)


def test_a_level_that_a_method_does_not_have_is_refused(folder: File) -> None:
    with pytest.raises(UsageError, match=r"conductance.*not defined at the attention level; use level"):
        run_of(folder, "conductance", "attention")


def test_both_levels_are_those_that_a_method_has(folder: File) -> None:
    assert run_of(folder, "conductance", "both").run.level == "embedding"


def test_what_gives_no_paths_is_compared_with_but_not_extracted(folder: File) -> None:
    assert "skip_replaced" in COMPARABLE
    with pytest.raises(UsageError, match="unknown method 'skip_replaced'"):
        run_of(folder, "skip_replaced", "attention")
