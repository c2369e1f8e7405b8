"""Small models of every kind in float64, with sentences, as methods that score tokens are asked about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ipgraph.extractor.datasets import Example, make_instance
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.methods.attributions import Asked
from ipgraph.extractor.models.encoding import Encoded, encode
from ipgraph.extractor.models.loading import LoadedModel, load_model
from support.families import without_float32
from support.random_encoders import random_encoder
from support.tiny_models import save_classifier, save_decoder, save_masked_lm

MASKED = ("the farmer that the farmers like [MASK] old .", "a farmer [MASK] tall .", "farmers [MASK] .")
CLASSIFIED = ("the film is good .", "a farmer , a film . not bad", "bad film")
CONTINUED = ("the doctor that the musicians love [MASK] happy .", "doctors , old and tall , [MASK] here")
KINDS = {"bert": MASKED, "electra": MASKED, "classifier": CLASSIFIED, "gpt2": CONTINUED, "llama": CONTINUED}
FIXED = Options(n_steps=5)


@dataclass(frozen=True)
class Case:
    """A model and its sentences."""

    model: LoadedModel
    sentences: list[Encoded]

    def asked(self, method: str, options: Options = FIXED, **settings: Any) -> Asked:
        options = options.for_model(self.model)
        sampling, baseline = options.sampling(self.model), options.baseline_of(self.model)
        return Asked(self.model, method, sampling, baseline, **settings)


def case_of(kind: str, folder: Path, patch: pytest.MonkeyPatch) -> Case:
    """Return a kind of KINDS; of the classifier's sentences, the last has no label."""
    model = _model(kind, folder)
    without_float32(model.module, patch).set_attn_implementation("eager")
    return Case(model, encoded(model, KINDS[kind]))


def encoded(model: LoadedModel, texts: Sequence[str]) -> list[Encoded]:
    """Return texts as a model reads them, a classifier's of class 0 but for the last."""
    words: dict[str, Any] = {"correct": "is", "wrong": "are"}
    if model.classes:
        words = {"label": 0}
    examples = [Example(make_instance("mine", text, **words)) for text in texts]
    if model.classes:
        examples[-1] = replace(examples[-1], instance=replace(examples[-1].instance, label=-1))
    found, skipped = encode(model, examples)
    assert not skipped
    return found


def _model(kind: str, folder: Path) -> LoadedModel:
    if kind == "electra":
        tokenizer = load_model(save_masked_lm(folder), device="cpu").tokenizer
        module = random_encoder("electra", "masked-lm", 0)
        return load_model(module, tokenizer=tokenizer, dtype="float64", device="cpu")
    if kind == "bert":
        path = save_masked_lm(folder)
    elif kind == "classifier":
        path = save_classifier(folder, 3)
    else:
        path = save_decoder(folder, kind, bos=kind == "llama")
    return load_model(path, dtype="float64", device="cpu")
