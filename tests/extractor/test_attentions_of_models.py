"""Attention of models of any kind against the model's own outputs, text by text; rollout and flow of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from support.families import VOCABULARY
from support.flow_networks import FINE, expected_flow, networkx_of, output_of, tokens_of
from support.random_decoders import random_decoder
from support.requirements import shared
from support.saved_models import save_encoder_decoder, save_unknown

from ipgraph.extractor.methods.attention_flow.flow import spread
from ipgraph.extractor.methods.attention_flow.matrices import layer_matrices
from ipgraph.extractor.methods.attention_flow.scores import token_scores
from ipgraph.extractor.models.attentions import attentions
from ipgraph.extractor.models.loading import load_any
from ipgraph.extractor.models.texts import Text
from ipgraph.graphstore.common.errors import IpgraphError, UsageError

SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 20,
}
OTHERS: dict[str, dict[str, Any]] = {
    "Bert": SIZES,
    "Roberta": SIZES,
    "OPT": SIZES | {"ffn_dim": 20, "word_embed_proj_dim": 16},
    "Bloom": SIZES | {"n_layer": 2, "n_head": 4},
    "DebertaV2": SIZES | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
}
"""Families with an adapter and without, as the base model."""
CAUSAL = {"OPT", "Bloom", "gpt2", "llama", "gemma2"}
TEXTS = [Text([5, 6, 7]), Text([8, 9, 10, 11, 12, 5]), Text([6]), Text([9, 3, 4])]
PAIRS = [Text([5, 6, 7], continuation=[3, 4]), Text([8, 9, 10, 11], continuation=[3, 5, 6])]


@pytest.fixture(params=[*OTHERS, "gpt2", "llama", "gemma2"])
def model(request: pytest.FixtureRequest) -> Any:
    if request.param not in OTHERS:
        return random_decoder(request.param, "classifier", 0)
    torch.manual_seed(0)
    config = getattr(transformers, f"{request.param}Config")(**OTHERS[request.param])
    module = getattr(transformers, f"{request.param}Model")(config).double().eval()
    for weight in module.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return module


def is_causal(model: Any) -> bool:
    return any(type(model).__name__.casefold().startswith(name.casefold()) for name in CAUSAL)


@torch.no_grad()
def test_a_batch_gives_what_the_model_gives_each_text(model: Any) -> None:
    before = model.config._attn_implementation
    found = attentions(model, TEXTS)
    assert model.config._attn_implementation == before
    model.set_attn_implementation("eager")
    for text, layers in zip(TEXTS, found, strict=True):
        expected = model(input_ids=torch.tensor([text.ids]), output_attentions=True).attentions
        assert len(layers["self"]) == len(expected)
        for one, own in zip(layers["self"], expected, strict=True):
            assert one.shape == own[0].shape == (4, len(text.ids), len(text.ids))
            assert torch.allclose(one, own[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["rollout", "flow"])
def test_scores_of_a_batch_are_those_of_single_texts(model: Any, method: Any) -> None:
    for text, layers in zip(TEXTS, attentions(model, TEXTS), strict=True):
        target = len(text.ids) // 2
        (alone,) = attentions(model, [text])
        one, other = (token_scores(a, target, method).scores for a in (layers, alone))
        assert np.allclose(one, other, rtol=0, atol=1e-6)
        assert one.sum() == pytest.approx(1)
        later = one[target + 1 :]
        assert (later == 0).all() if is_causal(model) else (later > 0).all()


@torch.no_grad()
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_encoder_decoders(family: str, tmp_path: Path) -> None:
    module = load_any(save_encoder_decoder(tmp_path, family), dtype="float64").module
    for text, found in zip(PAIRS, attentions(module, PAIRS), strict=True):
        ids, given = torch.tensor([text.ids]), torch.tensor([text.continuation])
        module.set_attn_implementation("eager")
        out = module(input_ids=ids, decoder_input_ids=given, output_attentions=True)
        expected = {"encoder": out.encoder_attentions, "self": out.decoder_attentions}
        for name, layers in (expected | {"cross": out.cross_attentions}).items():
            assert torch.allclose(torch.stack(found[name]), torch.cat(layers), rtol=0, atol=1e-6)
        assert not torch.stack(found["self"]).triu(1).any()
        scores = token_scores(found, 1)
        assert scores.layers is not None
        assert (scores.raw > 0).tolist() == [True] * (len(text.ids) + 2) + [False] * (
            len(text.continuation) - 2
        )
        assert scores.layers.max() <= 2 + 2 * 3


def test_a_model_of_a_family_without_an_adapter_is_loaded(tmp_path: Path) -> None:
    model = load_any(save_unknown(tmp_path))
    assert type(model.module).__name__ == "OPTForCausalLM"
    assert not any(weight.requires_grad for weight in model.module.parameters())
    (found,) = attentions(model.module, [Text([7, 8, 9])])
    assert [a.shape for a in found["self"]] == [(4, 3, 3)] * 2


def test_a_config_that_names_no_class_needs_a_task(tmp_path: Path) -> None:
    folder = save_unknown(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    for names in ([], ["OPTForPoetry"]):
        (folder / "config.json").write_text(json.dumps(config | {"architectures": names}))
        what = "is of the class OPTForPoetry" if names else "names no class"
        with pytest.raises(UsageError, match=f"{what}.*its family 'opt' serves: causal-lm, classifier"):
            load_any(folder)
        assert type(load_any(folder, task="causal-lm").module).__name__ == "OPTForCausalLM"


def test_attention_that_is_not_a_number_is_refused() -> None:
    module = transformers.BertModel(transformers.BertConfig(**SIZES)).eval()
    module.encoder.layer[0].output.dense.bias.data[0] = torch.nan
    with pytest.raises(IpgraphError, match="the attention of the BertModel is not a number in layer 2"):
        attentions(module, TEXTS)


def test_token_types_are_heard() -> None:
    module = transformers.BertModel(transformers.BertConfig(**SIZES, attn_implementation="eager")).eval()
    torch.nn.init.normal_(module.embeddings.token_type_embeddings.weight)
    found = attentions(module, [Text([5, 6]), Text([5, 6], types=[0, 1])])
    ids, types = torch.tensor([[5, 6], [5, 6]]), torch.tensor([[0, 0], [0, 1]])
    expected = module(ids, token_type_ids=types, output_attentions=True).attentions[1]
    assert torch.equal(torch.stack([text["self"][1] for text in found]), expected)
    assert not torch.allclose(expected[0], expected[1])


@pytest.mark.parametrize(
    ("kind", "settings", "why"),
    [
        (
            "Mamba",
            {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1},
            "none in at least one layer",
        ),
        ("Longformer", SIZES | {"attention_window": 4}, r"over 3 tokens .* arrays of shape \[1, 4, 3, 5\]"),
        (
            "Funnel",
            {"vocab_size": 40, "d_model": 16, "n_head": 4, "d_head": 4, "d_inner": 20, "block_sizes": [1, 1]},
            "but arrays of shape",
        ),
    ],
)
def test_models_without_a_square_of_attention_are_refused(kind: str, settings: Any, why: str) -> None:
    config = getattr(transformers, f"{kind}Config")(**settings)
    with pytest.raises(UsageError, match=rf"a {kind}Model does not return one matrix of attention.*{why}"):
        attentions(getattr(transformers, f"{kind}Model")(config).eval(), [Text([5, 6, 7])])


def test_flows_of_a_real_model_are_those_of_networkx() -> None:
    """They are nearly the same for most words: the cut is in the last layer."""
    model = load_any(shared("models", "minilm-l6-sst2"), device="cpu")
    ids = model.tokenizer("it 's a charming and often affecting journey .")["input_ids"]
    (found,) = attentions(model.module, [Text(ids)])
    matrices = layer_matrices(found)
    graph, scores = networkx_of(matrices, FINE), token_scores(found, 0)
    for token, flow in zip(tokens_of(matrices)[::4], scores.raw[::4], strict=True):
        assert flow == pytest.approx(expected_flow(graph, [token], output_of(matrices, 0)) / FINE, abs=1e-9)
    assert scores.layers is not None
    assert set(scores.layers.tolist()) == {6}
    words = scores.raw[1:-2]
    assert words.max() / words.min() < 1.05 < 2 < spread(token_scores(found, 0, "rollout").scores[1:-2]).ratio
