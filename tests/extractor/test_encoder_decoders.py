"""T5 and BART: what is read and asked, against their tokenizers and modules; their graph; what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from support.saved_models import save_encoder_decoder, word_tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForSeq2SeqLM

from ipgraph.extractor.datasets import Dataset, load, make_instance
from ipgraph.extractor.datasets.files import read_sentence
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.extraction.job import ENCODED, Job, Sentences
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.models.attentions import attentions
from ipgraph.extractor.models.encoding import Encoded, encode
from ipgraph.extractor.models.loading import Model, load_any, load_model
from ipgraph.extractor.models.outcomes import outcomes
from ipgraph.extractor.models.shapes import graph_shape
from ipgraph.extractor.models.texts import Text, text_of
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.graph import flow_tables
from ipgraph.graphstore.schema.labels import node_label
from ipgraph.graphstore.schema.records import Kind

START, END = 0, 2
ROWS: list[dict[str, Any]] = [
    {
        "text": "the lawyer that hates guests",
        "continuation": "the scientist [MASK] music .",
        "correct": "know",
        "wrong": "helps",
        "roles": "det subj that verb obj det subj target obj punct",
    },
    {"text": "a worker", "continuation": "[MASK] the lawyer", "correct": "was", "wrong": "very"},
    {"text": "the music of the lawyer", "continuation": "a worker [MASK]", "correct": "was", "wrong": "very"},
]


@pytest.fixture(params=["t5", "bart"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    """A model whose tokenizer ends each text with a token, as those of T5 do."""
    folder = save_encoder_decoder(tmp_path, request.param)
    tokenizer = word_tokenizer("pad", "eos")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 2)]
    )
    tokenizer.save_pretrained(folder)
    return load_any(folder, dtype="float64", device="cpu")


def encoded(model: Model, rows: Any = ROWS, **options: Any) -> list[Encoded]:
    found, skipped = encode(model, load(rows, task="seq2seq").examples, allow_unk=True, **options)
    assert not skipped
    return found


def test_the_model_is_loaded_as_one(model: Model) -> None:
    assert (model.task, model.classes, model.padding) == ("seq2seq", (), 0)
    assert type(model.module).__name__.endswith("ForConditionalGeneration")
    assert model.max_positions == (24 if model.module.config.model_type == "bart" else 10_000)


def test_the_text_is_read_and_the_continuation_up_to_its_mask(model: Model) -> None:
    first, second, _ = encoded(model)
    number = model.tokenizer.convert_tokens_to_ids
    source = number(["the", "lawyer", "that", "hates", "guests"])
    assert first.ids == [*source, END, START, *number(["the", "scientist"])]
    assert (first.sources, first.target) == (6, 8)
    assert first.qoi_logits == tuple(number(["know", "helps"]))
    words = ["the", "lawyer", "that", "hates", "guests", "</s>", "<pad>", "the", "scientist"]
    assert first.words == words
    assert first.word_indices == [0, 1, 2, 3, 4, -1, -1, 5, 6]
    assert first.roles == ["det", "subj", "that", "verb", "obj", "sep", "bos", "det", "subj"]
    assert [first.in_stack(position) for position in (0, 5, 6, 8)] == [(1, 0), (1, 5), (2, 0), (2, 2)]
    assert second.ids == [*number(["a", "worker"]), END, START]  # nothing stands before the [MASK]
    assert (second.target, second.qoi_logits) == (3, tuple(number(["was", "very"])))
    assert text_of(first) == Text([*source, END], continuation=[START, *number(["the", "scientist"])])


@torch.no_grad()
def test_outcomes_are_those_of_the_model_called_by_hand(model: Model) -> None:
    module = AutoModelForSeq2SeqLM.from_pretrained(model.name, dtype=torch.float64).eval()
    sentences = encoded(model)
    for sentence, outcome in zip(sentences, outcomes(model, sentences), strict=True):
        source, target = sentence.ids[: sentence.sources], sentence.ids[sentence.sources :]
        ids, given = torch.tensor([source]), torch.tensor([target])
        logits = module(input_ids=ids, decoder_input_ids=given).logits[0, -1]
        right, wrong = sentence.qoi_logits
        assert outcome.qoi == pytest.approx(float(logits[right] - logits[wrong]), abs=1e-6)
        assert outcome.is_correct == bool(logits[right] > logits[wrong])


def test_what_is_read_is_what_the_model_is_trained_on(model: Model) -> None:
    """The decoder's input is that which transformers makes of the labels."""
    (sentence, *_) = encoded(model)
    labels = model.tokenizer(text_target="the scientist know music .", return_tensors="pt")["input_ids"]
    shifted = model.module.prepare_decoder_input_ids_from_labels(labels)[0].tolist()
    target = sentence.ids[sentence.sources :]
    assert shifted[: len(target)] == target
    assert labels[0, len(target) - 1] == sentence.qoi_logits[0]


def test_sentences_are_kept_with_a_run(model: Model, tmp_path: Path) -> None:
    sentences = encoded(model)
    files = Job.of("r", model, Options(), None).files(sentences)
    (tmp_path / ENCODED).write_bytes(files[ENCODED])

    class Run:
        path, id, manifest = tmp_path, "r", {"shards": 1}
        read_file = staticmethod(lambda name: (tmp_path / name).read_bytes())

    assert list(Sentences(Run())) == sentences  # type: ignore[arg-type]


def test_the_graph_has_an_edge_into_a_head_where_there_is_attention(model: Model) -> None:
    n = 3  # in the graph both texts have as many positions
    edges = pa.concat_tables(flow_tables("m", graph_shape(model), n)).to_pylist()
    flows = [(edge["source"].removeprefix("m/"), edge["target"].removeprefix("m/")) for edge in edges]
    into_heads = {(source, target) for source, target in flows if target[0] in "hH"}
    (found,) = attentions(model.module, [Text([4, 7, 9], continuation=[0, 6, 8])])
    encoder, own, cross = (found[name] for name in ("encoder", "self", "cross"))
    layers = [("encoder", a) for a in encoder]
    layers += [pair for a, b in zip(own, cross, strict=True) for pair in (("self", a), ("cross", b))]
    expected = set()
    for number, (name, attention) in enumerate(layers, 1):
        stack, reads = (1, 1) if name == "encoder" else (2, 1 if name == "cross" else 2)
        before = len(encoder) if name == "cross" else number - 1
        is_first = number == 1 or number == len(encoder) + 1
        kind: Kind = "input" if is_first and name != "cross" else "embedding"
        for head, e, j in (attention > 0).nonzero().tolist():
            source = node_label(kind, 0 if kind == "input" else before, j, stack=reads)
            expected.add((source, node_label("head", number, e, head + 1, stack)))
    assert into_heads == expected


def test_patterns_are_refused_with_the_reason(model: Model, tmp_path: Path) -> None:
    why = r"is an encoder-decoder \((t5|bart)\), for which paths and gradients are not defined: "
    with pytest.raises(UsageError, match=why):
        load_model(model.name)
    for method in ("gpr", "hta"):
        with pytest.raises(UsageError, match=why + ".*Defined for model .*: rollout, flow, .*alti"):
            extract(model.name, "sva-obj", runs_dir=tmp_path, method=method)
    with pytest.raises(UsageError, match=f"the model object {why}"):
        load_model(model.module, tokenizer=model.tokenizer)


def test_long_texts_are_skipped_by_stack(model: Model) -> None:
    row = ROWS[1] | {"text": " ".join(["worker"] * 24)}
    (found, skipped) = encode(model, load([row], task="seq2seq").examples)
    is_bart = model.module.config.model_type == "bart"
    assert [row.reason for row in skipped] == ["25 tokens, added ones included; the model takes 24"] * is_bart
    assert len(found) == 1 - is_bart
    model = replace(model, max_positions=25)
    assert len(encoded(model, [row])[0].ids) == 26


def test_without_a_start_of_the_decoder_nothing_is_read(model: Model) -> None:
    model.module.config.decoder_start_token_id = model.module.generation_config.decoder_start_token_id = None
    with pytest.raises(UsageError, match="does not say what its decoder's input begins with"):
        encoded(model)


# --- rows ---


BAD: list[tuple[dict[str, Any], str]] = [
    ({"continuation": None}, "continuation is missing"),
    ({"continuation": "the lawyer"}, "the continuation has no [MASK]; it must have exactly one"),
    ({"continuation": "[MASK] [MASK]"}, "the continuation has 2 [MASK]; it must have exactly one"),
    ({"text": "a [MASK]"}, "the text has a [MASK], which belongs into the continuation"),
    ({"correct": ""}, "correct is empty"),
    ({"roles": "a b"}, "there are 2 roles for 5 whitespace words; each word needs one"),
]


@pytest.mark.parametrize(("change", "why"), BAD)
def test_a_bad_row_is_skipped_with_the_reason(change: dict[str, Any], why: str) -> None:
    found = load([ROWS[2], ROWS[1] | change, ROWS[0]], task="seq2seq")
    assert [row.reason for row in found.skipped] == [why]
    assert len(found.examples) == 2


def test_rows_are_read_from_columns(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("Text,Continuation,Correct,Wrong\na worker,[MASK] the lawyer,was,very\n")
    for task in (None, "seq2seq"):
        found = load(file, task=task)
        (example,) = found.examples
        assert (found.task, found.unread) == ("seq2seq", {})
        assert (example.instance.text, example.instance.continuation) == ("a worker", "[MASK] the lawyer")
    found = load(file, columns={"continuation": "", "text": "Continuation"}, task="masked-lm")
    assert found.task == "masked-lm"
    assert found.examples[0].instance.text == "[MASK] the lawyer ."


def test_datasets_and_models_fit_or_not(model: Model) -> None:
    assert load(ROWS).task == "seq2seq"
    with pytest.raises(UsageError, match="needs a seq2seq model; this is a masked-lm model"):
        load(ROWS, task="masked-lm")
    with pytest.raises(
        UsageError, match=r"needs a masked-lm or causal-lm model; this is a seq2seq model, .* a continuation"
    ):
        load("sva-obj", task="seq2seq")
    (example,) = Dataset("d", load("sva-obj", limit=1).examples).examples
    _, (skipped,) = encode(model, [example])
    assert "there is no continuation" in skipped.reason


def test_a_sentence_is_read_like_a_row() -> None:
    given = {name: value for name, value in ROWS[1].items() if name != "text"}
    (example,) = read_sentence(ROWS[1]["text"], **given).examples
    assert replace(example.instance, id="", dataset="", name="") == replace(
        load([ROWS[1]]).examples[0].instance, id="", dataset="", name=""
    )


def test_ids_of_rows_without_a_continuation_stay() -> None:
    one = make_instance("d", "a [MASK] .", correct="x", wrong="y")
    assert one.id == "d:274fc7bed262"
    assert make_instance("d", "a [MASK] .", correct="x", wrong="y", continuation="[MASK]").id != one.id
