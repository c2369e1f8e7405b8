"""T5 and BART: logits and attentions against their own modules, and what is said where patterns are asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from support.saved_models import save_encoder_decoder
from torch import Tensor
from transformers import AutoModelForSeq2SeqLM

from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.models.encoder_decoders import Forward, forward, load_encoder_decoder
from ipgraph.extractor.models.loading import load_model
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.graph import flow_tables
from ipgraph.graphstore.schema.labels import node_label
from ipgraph.graphstore.schema.records import Kind

SOURCE, TARGET = torch.tensor([4, 7, 5, 9, 2]), torch.tensor([0, 6, 8])
ENCODER_LAYERS, DECODER_LAYERS, HEADS = 2, 3, 4
FAMILIES = ["t5", "bart"]


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder_decoder(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def result(folder: Path) -> Forward:
    return forward(load_encoder_decoder(folder, dtype="float64"), SOURCE, TARGET)


def test_logits_are_those_of_transformers(folder: Path, result: Forward) -> None:
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float64).eval()
    with torch.no_grad():
        expected = model(input_ids=SOURCE[None], decoder_input_ids=TARGET[None]).logits[0]
    assert torch.allclose(result.logits, expected, rtol=0, atol=1e-6)


def test_attentions_have_their_shapes_and_sum_to_one(result: Forward) -> None:
    n, m = len(SOURCE), len(TARGET)
    assert {name: tuple(a.shape) for name, a in result.attentions.items()} == {
        "encoder": (ENCODER_LAYERS, HEADS, n, n),
        "self": (DECODER_LAYERS, HEADS, m, m),
        "cross": (DECODER_LAYERS, HEADS, m, n),
    }
    for attention in result.attentions.values():
        assert torch.allclose(attention.sum(-1), torch.ones_like(attention[..., 0]), atol=1e-6)
    assert result.attentions["self"].triu(1).abs().max() == 0


def test_cross_attention_is_the_softmax_of_queries_and_keys(folder: Path, result: Forward) -> None:
    """By what the projections give; T5 divides by no root, and neither has a bias there."""
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float64).eval()
    caught: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if name.endswith(
            ("EncDecAttention.q", "EncDecAttention.k", "encoder_attn.q_proj", "encoder_attn.k_proj")
        ):
            module.register_forward_hook(catching(caught, name))
    with torch.no_grad():
        model(input_ids=SOURCE[None], decoder_input_ids=TARGET[None])
    queries, keys = (
        [heads(x) for name, x in caught.items() if name.endswith(ends)]
        for ends in ((".q", ".q_proj"), (".k", ".k_proj"))
    )
    scale = 1.0 if model.config.model_type == "t5" else 4**-0.5
    assert len(queries) == DECODER_LAYERS
    for layer, (q, k) in enumerate(zip(queries, keys, strict=True)):
        expected = (q @ k.transpose(-1, -2) * scale).softmax(-1)
        assert torch.allclose(result.attentions["cross"][layer], expected, atol=1e-6)
        assert expected.std() > 0


def catching(caught: dict[str, Tensor], name: str) -> Callable[[Any, Any, Tensor], None]:
    def hook(_module: Any, _inputs: Any, output: Tensor) -> None:
        caught[name] = output

    return hook


def heads(x: Tensor) -> Tensor:
    split: Tensor = x[0].unflatten(-1, (HEADS, -1)).transpose(0, 1)
    return split


def test_the_graph_has_an_edge_into_a_head_where_there_is_attention(result: Forward) -> None:
    n = len(TARGET)  # in the graph both texts have as many positions
    edges = pa.concat_tables(flow_tables("m", result.shape, n)).to_pylist()
    flows = [(edge["source"].removeprefix("m/"), edge["target"].removeprefix("m/")) for edge in edges]
    into_heads = {(source, target) for source, target in flows if target[0] in "hH"}
    encoder, own, cross = (result.attentions[name] for name in ("encoder", "self", "cross"))
    layers = [("encoder", a) for a in encoder]
    layers += [pair for a, b in zip(own, cross, strict=True) for pair in (("self", a), ("cross", b))]
    expected = set()
    for number, (name, attention) in enumerate(layers, 1):
        stack, reads = (1, 1) if name == "encoder" else (2, 1 if name == "cross" else 2)
        before = len(encoder) if name == "cross" else number - 1
        is_first = number == 1 or number == len(encoder) + 1
        kind: Kind = "input" if is_first and name != "cross" else "embedding"
        for head, e, j in (attention[:, :n, :n] > 0).nonzero().tolist():
            source = node_label(kind, 0 if kind == "input" else before, j, stack=reads)
            expected.add((source, node_label("head", number, e, head + 1, stack)))
    assert into_heads == expected


def test_patterns_are_refused_with_the_reason(folder: Path, tmp_path: Path) -> None:
    why = r"is an encoder-decoder \((t5|bart)\), for which guided patterns \(method 'gpr'\) are not defined: "
    with pytest.raises(UsageError, match=why):
        load_model(folder)
    with pytest.raises(UsageError, match=why):
        extract(folder, "sva-obj", runs_dir=tmp_path)
    model = load_encoder_decoder(folder)
    with pytest.raises(UsageError, match=f"the model object {why}"):
        load_model(model.module, tokenizer=model.tokenizer)


def test_other_models_are_not_loaded_as_encoder_decoders() -> None:
    with pytest.raises(UsageError, match="'demo' is not an encoder-decoder of these families: t5, bart"):
        load_encoder_decoder("demo")
