"""Raw attention, a row of the last layer, against transformers' own models."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.asked_models import KINDS, case_of
from support.saved_models import save_encoder_decoder

from ipgraph.extractor.methods.attention_flow.raw import last_row, raw_attention
from ipgraph.extractor.models.attentions import attentions
from ipgraph.extractor.models.loading import load_any
from ipgraph.extractor.models.texts import Text


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_the_models_own_row(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(kind, tmp_path, monkeypatch)
    found = raw_attention(case.asked("raw_attention"), case.sentences)
    module = case.model.module
    for sentence, one in zip(case.sentences, found, strict=True):
        last = module(torch.tensor([sentence.ids]), output_attentions=True).attentions[-1][0].detach()
        row = sum(head[sentence.target] for head in last) / len(last)
        assert one.scores == pytest.approx(row.numpy(), rel=0, abs=1e-9)
        assert one.scores.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_an_encoder_decoder_gives_half_to_each_side(family: str, tmp_path: Path) -> None:
    module = load_any(save_encoder_decoder(tmp_path, family), dtype="float64", device="cpu").module
    module.set_attn_implementation("eager")
    text = Text([5, 6, 7, 8], continuation=[3, 9, 10])
    (layers,) = attentions(module, [text])
    named = {"input_ids": torch.tensor([text.ids]), "decoder_input_ids": torch.tensor([text.continuation])}
    out = module(**named, output_attentions=True)
    for target in range(3):
        cross, own = (a[-1][0, :, target].mean(0) for a in (out.cross_attentions, out.decoder_attentions))
        expected = np.concatenate([cross.detach().numpy(), own.detach().numpy()]) / 2
        scores = last_row(layers, target)
        assert scores == pytest.approx(expected, rel=0, abs=1e-6)  # softmax is in float32 there
        assert scores.sum() == pytest.approx(1.0)
        assert not scores[4 + target + 1 :].any()
