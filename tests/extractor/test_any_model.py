"""Models of families without an adapter: what is known of them, and outcomes against their own forward."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from support.saved_models import save_unknown
from transformers import AutoTokenizer, BartConfig, BartForSequenceClassification

from ipgraph.extractor.datasets import Dataset, load
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.models.attentions import attentions
from ipgraph.extractor.models.encoding import Encoded, encode
from ipgraph.extractor.models.heads import AT_INPUT, NO_LOGIT
from ipgraph.extractor.models.loading import LoadedModel, Model, load_any, load_model, require_adapter
from ipgraph.extractor.models.outcomes import Outcome, outcomes
from ipgraph.extractor.models.shapes import graph_shape
from ipgraph.extractor.models.texts import Text, text_of
from ipgraph.extractor.tracing.trace import trace_of
from ipgraph.graphstore.common.errors import IpgraphError, UsageError

KINDS = {
    "OPTForCausalLM": ("causal-lm", "last", True),
    "GPTNeoForCausalLM": ("causal-lm", "last", True),
    "BloomForSequenceClassification": ("classifier", "last", True),
    "OPTForSequenceClassification": ("classifier", "last", True),
    "XLNetForSequenceClassification": ("classifier", "last", False),
    "XLMForSequenceClassification": ("classifier", "first", False),
    "BigBirdForSequenceClassification": ("classifier", "first", False),
    "DebertaV2ForSequenceClassification": ("classifier", "first", False),
    "DebertaV2ForMaskedLM": ("masked-lm", "first", False),
    "BigBirdForMaskedLM": ("masked-lm", "first", False),
}
"""By class, its task, the position that a classifier reads, and whether positions see those before alone."""
FORMS = {"correct": "know", "wrong": "helps"}
MASKED = load(
    [
        {"text": "the lawyer that hates guests [MASK] the music .", **FORMS},
        {"text": "a scientist [MASK] the worker .", **FORMS},
        {"text": "the lawyer that hates music [MASK] the guests .", **FORMS},
    ],
    task="causal-lm",
)
LABELLED = load([{"text": text, "label": n % 2} for n, text in enumerate(("the music was very", "a worker"))])


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def loaded(folder: Path, **options: Any) -> Model:
    is_xlnet = "XLNet" in (folder / "config.json").read_text()  # which transformers runs in float32 alone
    return load_any(folder, device="cpu", dtype="float32" if is_xlnet else "float64", **options)


def dataset_of(model: Model) -> Dataset:
    return LABELLED if model.task == "classifier" else MASKED


def encoded(model: Model, dataset: Dataset, **options: Any) -> list[Encoded]:
    found, skipped = encode(model, dataset.examples, allow_unk=True, **options)
    assert not skipped
    return found


def test_what_a_model_is_and_reads(kind: str, tmp_path: Path) -> None:
    folder = save_unknown(tmp_path, kind)
    model = loaded(folder)
    assert (model.task, model.reads, model.is_causal) == KINDS[kind]
    assert not isinstance(model, LoadedModel)
    assert type(model.module).__name__ == kind
    assert not any(weight.requires_grad for weight in model.module.parameters())
    assert model.vocabulary == model.module.config.vocab_size
    with pytest.raises(UsageError, match="which is not known; known families: albert, bert"):
        load_model(folder)
    with pytest.raises(UsageError, match="which is not known; known families: albert, bert"):
        require_adapter(model)


def test_the_graph_is_that_of_the_attentions(kind: str, tmp_path: Path) -> None:
    model = loaded(save_unknown(tmp_path, kind))
    (found,) = attentions(model.module, [Text([6, 7, 8, 9])])
    shape = graph_shape(model)
    assert [layer.heads for layer in shape.layers] == [len(layer) for layer in found["self"]]
    is_causal = all(not layer.triu(1).any() for layer in found["self"])
    assert {layer.ahead for layer in shape.layers} == {0 if is_causal else None}


@torch.no_grad()
def test_outcomes_are_those_of_the_model_called_by_hand(kind: str, tmp_path: Path) -> None:
    folder = save_unknown(tmp_path, kind)
    module = (
        getattr(transformers, kind)
        .from_pretrained(folder, dtype=torch.float32 if "XLNet" in kind else torch.float64)
        .eval()
    )
    tokenizer, model = AutoTokenizer.from_pretrained(folder), loaded(folder)
    examples = dataset_of(model)
    found = outcomes(model, encoded(model, examples))
    for example, outcome in zip(examples.examples, found, strict=True):
        text = example.instance.text.replace("[MASK]", "<mask>")
        text = text.partition(" <mask>")[0] if model.task == "causal-lm" else text
        ids = tokenizer(text)["input_ids"]
        logits = module(torch.tensor([ids])).logits[0]
        if model.task == "classifier":
            first, second = example.instance.label, 1 - example.instance.label
            assert outcome.class_logits == pytest.approx(logits.tolist(), abs=1e-6)
            assert outcome.label == first
        else:
            logits = logits[ids.index(5) if model.task == "masked-lm" else -1]
            first, second = tokenizer.convert_tokens_to_ids(["know", "helps"])
            assert (outcome.label, outcome.class_logits) == (-1, ())
        assert outcome.qoi_logits == (first, second)
        assert outcome.qoi == pytest.approx(float(logits[first] - logits[second]), abs=1e-6)
        assert outcome.is_correct == bool(logits[first] > logits[second])


def test_an_object_gives_what_its_files_give(kind: str, tmp_path: Path) -> None:
    folder = save_unknown(tmp_path, kind)
    module, other = getattr(transformers, kind).from_pretrained(folder), loaded(folder)
    dtype = str(other.dtype).removeprefix("torch.")
    model = load_any(module, tokenizer=AutoTokenizer.from_pretrained(folder), dtype=dtype, device="cpu")
    assert model.name.startswith("object:")
    sentences = encoded(other, dataset_of(other))
    found, expected = ([one.qoi for one in outcomes(m, sentences)] for m in (model, other))
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "dataset"), [("demo", "sva-obj"), ("demo-gpt2", "sva-obj"), ("demo-sentiment", "sentiment")]
)
@pytest.mark.parametrize("is_labelled", [True, False])
def test_outcomes_of_a_known_family_are_those_of_its_trace(
    name: str, dataset: str, *, is_labelled: bool
) -> None:
    model = require_adapter(load_any(name, device="cpu", dtype="float64"))
    sentences = encoded(model, load(dataset, limit=7, task=model.task))
    if model.classes and not is_labelled:
        sentences = [unlabelled(sentence) for sentence in sentences]
    options = Options(n_steps=2).for_model(model)
    trace = trace_of(model, sentences, options.integration_path(model, 2), options.baseline_of(model))
    for row, outcome in enumerate(outcomes(model, sentences)):
        assert outcome.qoi == pytest.approx(float(trace.qoi[row, 1]), abs=1e-9)
        assert outcome.qoi_logits == tuple(trace.qoi_logits[row].tolist())
        if model.classes:
            assert outcome.class_logits == pytest.approx(trace.class_logits()[row, 0].tolist(), abs=1e-9)


def unlabelled(sentence: Encoded) -> Encoded:
    return replace(sentence, label=-1, qoi_logits=(AT_INPUT, AT_INPUT))


def test_one_logit_and_a_probability(tmp_path: Path) -> None:
    model = loaded(save_unknown(tmp_path, "DebertaV2ForSequenceClassification"))
    (one, *_) = encoded(model, LABELLED, qoi="logit:1")
    assert one.qoi_logits == (1, NO_LOGIT)
    (plain,), (share,) = outcomes(model, [one]), outcomes(model, [one], is_probability=True)
    logits = torch.tensor(plain.class_logits)
    assert plain.qoi == pytest.approx(float(logits[1]))
    assert share.qoi == pytest.approx(float(logits.softmax(0)[1]))
    assert isinstance(share, Outcome)


def test_token_types_reach_the_model(tmp_path: Path) -> None:
    model = loaded(save_unknown(tmp_path, "BigBirdForSequenceClassification"))
    (one, *_) = encoded(model, LABELLED)
    other = text_of(one)._replace(types=[0, 0, 1, 1])
    expected = model.module(torch.tensor([one.ids]), token_type_ids=torch.tensor([[0, 0, 1, 1]])).logits[0]
    (outcome,) = outcomes(model, [replace(one, types=list(other.types))])
    assert outcome.class_logits == pytest.approx(expected.tolist(), abs=1e-9)


def test_broken_weights_are_an_error(tmp_path: Path) -> None:
    model = loaded(save_unknown(tmp_path, "OPTForCausalLM"))
    model.module.lm_head.weight.data.fill_(torch.nan)
    with pytest.raises(IpgraphError, match="NaN or infinite values for instance data:"):
        outcomes(model, encoded(model, MASKED))


def test_a_type_that_a_model_cannot_be_run_in_is_said(tmp_path: Path) -> None:
    folder = save_unknown(tmp_path, "XLNetForSequenceClassification")
    with pytest.raises(UsageError, match=r"could not be run in its dtype: expected scalar type"):
        load_any(folder, device="cpu", dtype="float64")


def test_positions_of_padding_are_not_counted(tmp_path: Path) -> None:
    model = loaded(save_unknown(tmp_path, "XLMRobertaXLForMaskedLM", pad_token_id=1))
    assert model.max_positions == 24 - 2
    model.module(torch.full((1, 22), 7))
    with pytest.raises((IndexError, RuntimeError)):
        model.module(torch.full((1, 23), 7))


@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        ("OPTModel", {}, "is of the class OPTModel, and a language model or a classifier of texts is needed; "
         "the tasks that its family 'opt' serves: causal-lm, classifier"),
        ("OPTForCausalLM", {"task": "masked-lm"}, "the tasks that its family 'opt' serves: causal-lm"),
    ],
)  # fmt: skip
def test_a_class_without_logits_and_a_task_that_is_not_served(
    kind: str, options: dict[str, Any], why: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=why):
        loaded(save_unknown(tmp_path, kind), **options)


def test_a_classifier_of_a_mean_is_refused(tmp_path: Path) -> None:
    folder = save_unknown(tmp_path, "XLMForSequenceClassification", summary_type="mean")
    with pytest.raises(UsageError, match="does not read the first or the last position alone"):
        loaded(folder)


def test_an_encoder_decoder_as_a_classifier_is_refused(tmp_path: Path) -> None:
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 40}
    BartForSequenceClassification(BartConfig(**sizes)).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="is an encoder-decoder, which is used for the task seq2seq only"):
        loaded(tmp_path)
