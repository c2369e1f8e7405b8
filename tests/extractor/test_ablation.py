"""Ablation against the Hugging Face model itself, its nodes zeroed by hooks."""

import pytest
import torch
from support.comparison import KINDS, ablated_qoi, batch_of, questions
from support.random_models import random_model
from support.zeroed import ablated

from ipgraph.extractor.evaluation.ablation.forward import Kept
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.architectures.bert import bert_adapter

LAYERS, HEADS = 3, 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", ["embedding", "attention"])
def test_what_is_left_is_what_the_model_says(kind: str, level: str) -> None:
    model = random_model(kind, LAYERS, HEADS, 12, 3)
    asked = questions(model, kind, [5, 8], 3, is_pair=True)
    chance = torch.Generator().manual_seed(4)
    embeddings = torch.rand((2, 6, LAYERS + 1, 8), generator=chance) < 0.6
    hops = torch.rand((2, 6, LAYERS, 8, HEADS + 1), generator=chance) < 0.7
    for row, question in enumerate(asked):
        embeddings[row, :5, -1, question.target] = True
    some = None if level == "embedding" else hops
    adapter, batch = bert_adapter(model), batch_of(asked)
    found = ablated_qoi(adapter, batch, batch.qoi_logits, Kept(embeddings, some))
    for row, question in enumerate(asked):
        n = len(question.ids)
        expected = [
            ablated(model, question, embeddings[row, r, :, :n], None if some is None else some[row, r, :, :n])
            for r in range(6)
        ]
        assert found[row].tolist() == pytest.approx(expected, abs=1e-12)
        assert len({round(value, 6) for value in expected}) >= 5


@pytest.mark.parametrize("kind", KINDS)
def test_keeping_every_node_gives_the_model_itself(kind: str) -> None:
    model = random_model(kind, LAYERS, HEADS, 12, 5)
    asked = questions(model, kind, [5, 8], 5)
    adapter, batch = bert_adapter(model), batch_of(asked)
    every = torch.ones(2, 1, LAYERS + 1, 8, dtype=torch.bool)
    hops = torch.ones(2, 1, LAYERS, 8, HEADS + 1, dtype=torch.bool)
    for kept in (Kept(every), Kept(every, hops)):
        found = ablated_qoi(adapter, batch, batch.qoi_logits, kept)[:, 0].tolist()
        expected = [float(question.qoi(oracle.logits(model, question.ids))) for question in asked]
        assert found == pytest.approx(expected, abs=1e-12)


def test_keeping_no_node_leaves_the_biases_alone() -> None:
    model = random_model("masked-lm", LAYERS, HEADS, 12, 6)
    (asked,) = questions(model, "masked-lm", [5], 6)
    batch = batch_of([asked])
    nothing = torch.zeros(1, 1, LAYERS + 1, 5, dtype=torch.bool)
    found = ablated_qoi(bert_adapter(model), batch, batch.qoi_logits, Kept(nothing)).item()
    with torch.no_grad():
        logits = model.cls(torch.zeros(12, dtype=torch.float64))
    assert found == pytest.approx(float(logits[asked.correct] - logits[asked.wrong]), abs=1e-13)
