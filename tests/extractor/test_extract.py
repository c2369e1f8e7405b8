"""extract(): what lands in the run directory, what resumes, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support.extractions import AGREEMENT, run_of, sentences
from support.tiny_models import save_classifier, save_masked_lm

from ipgraph.cli.commands.cite import paragraph
from ipgraph.extractor.datasets import Dataset, Example, make_instance, read_sentence
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.encoding import encode
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.extractor.models.oracle import Question, uniform
from ipgraph.graphstore.common.errors import IpgraphError, SkippedRows, UsageError
from ipgraph.graphstore.schema.labels import LABEL_WIDTH, parse_label
from ipgraph.graphstore.schema.records import Pattern, Step


@pytest.fixture(scope="session")
def masked_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_masked_lm(tmp_path_factory.mktemp("masked-lm"))


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_classifier(tmp_path_factory.mktemp("classifier"), classes=3)


REVIEWS = Dataset(
    "reviews",
    [
        Example(make_instance("reviews", "the film is not bad .", label=2), (), "reviews.tsv:1"),
        Example(make_instance("reviews", "a good film ."), (), "reviews.tsv:2"),
    ],
)


def test_every_word_but_the_mask_gets_a_pattern_at_both_levels(masked_lm: Path, tmp_path: Path) -> None:
    run = run_of(masked_lm, AGREEMENT, tmp_path)
    lengths = {e.instance: len(e.tokens) for e in run.records("predictions")}
    targets = {e.instance: e.target for e in run.records("predictions")}
    for instance, length in lengths.items():
        for level, steps in (("embedding", 4), ("attention", 7)):
            found = [p for p in run.records("patterns") if (p.instance, p.level) == (instance, level)]
            assert [p.position for p in found] == [i for i in range(length) if i != targets[instance]]
            assert {len(p.path) for p in found} == {steps}
            assert {p.route.split()[-1] for p in found} == {f"e03.--@{targets[instance]:04d}"}


def test_an_attention_pattern_holds_its_embedding_pattern(masked_lm: Path, tmp_path: Path) -> None:
    patterns = {p.id: p for p in run_of(masked_lm, AGREEMENT, tmp_path).records("patterns")}
    attention = [p for p in patterns.values() if p.level == "attention"]
    assert attention
    for pattern in attention:
        twin = patterns[pattern.id.replace("/a", "/e")]
        assert pattern.path[:1] + pattern.path[2::2] == twin.path
        assert pattern.total_influence == twin.total_influence


def test_runners_up_are_those_of_a_brute_force_search(masked_lm: Path, tmp_path: Path) -> None:
    run = run_of(masked_lm, AGREEMENT, tmp_path, dtype="float64")
    model = load_model(masked_lm, dtype="float64", device="cpu")
    encoded, _ = encode(model, AGREEMENT.examples)
    sentence = encoded[1]
    baseline = Options().baseline_of(model).embedding
    asked = Question(tuple(sentence.ids), sentence.target, *sentence.qoi_logits, baseline, *uniform(5))
    steps: dict[str, list[Step]] = {}
    for step in run.records("steps"):
        steps.setdefault(step.pattern, []).append(step)
    ranks = {"skip": 0, "head": 0, "embedding": 0}
    for pattern in run.records("patterns"):
        if pattern.instance != sentence.instance.id:
            continue
        for step, candidates in zip(
            steps[pattern.id], choices_of(pattern, model, len(sentence.ids)), strict=True
        ):
            if len(candidates) < 2:
                assert step.runner_up is step.margin is None
                continue
            influences = oracle.influences(model.module, asked, list(candidates.values()))
            signed = sorted(
                ((pattern.sign * value, name) for value, name in zip(influences, candidates, strict=True)),
                reverse=True,
            )
            assert step.influence == pytest.approx(pattern.sign * signed[0][0], abs=1e-11)
            assert step.runner_up == signed[1][1]
            assert step.margin == pytest.approx(signed[0][0] - signed[1][0], abs=1e-11)
            kind = parse_label(step.node[-LABEL_WIDTH:]).kind
            ranks["skip" if kind in ("head", "skip") and not step.runner_up else kind] += 1
    assert min(ranks.values()) > 0


def choices_of(pattern: Pattern, model: LoadedModel, length: int) -> list[dict[int, oracle.Path]]:
    """The candidates of each step, by position, or by head from 1 with 0 for the skip."""
    nodes = [parse_label(label) for label in pattern.route.split()]
    places = [node.position for node in nodes if node.kind in ("input", "embedding")]
    depth, word = len(places) - 1, places[0]
    if pattern.level == "embedding":
        inner = [
            {c: oracle.Path(word, (*places[1:layer], c)) for c in range(length)} for layer in range(1, depth)
        ]
        return [{}, *inner, {}]
    hops = [node.head - 1 if node.kind == "head" else oracle.SKIP for node in nodes[1::2]]
    steps: list[dict[int, oracle.Path]] = [{}]
    for layer in range(depth):
        first = 0 if places[layer] == places[layer + 1] else 1
        steps.append(
            {
                choice: oracle.Path(word, tuple(places[1:]), (*hops[:layer], choice - 1))
                for choice in range(first, model.adapter.heads + 1)
            }
        )
        steps.append({})
    return steps


def test_pieces_inherit_their_words_role(tmp_path: Path, masked_lm: Path) -> None:
    roles = ("determiner", "subject", "verb", "adjective", "punct")
    example = Example(
        make_instance("mine", "the olds [MASK] tall .", correct="is", wrong="are"), roles, "x:1"
    )
    run = run_of(masked_lm, Dataset("mine", [example]), tmp_path)
    (prediction,) = run.records("predictions")
    assert prediction.tokens == ["[CLS]", "the", "old", "##s", "[MASK]", "tall", ".", "[SEP]"]
    assert prediction.words == ["[CLS]", "the", "olds", "olds", "[MASK]", "tall", ".", "[SEP]"]
    assert prediction.word_indices == [-1, 0, 1, 1, 2, 3, 4, -1]
    assert prediction.roles == [
        "cls", "determiner", "subject", "subject", "target", "adjective", "punct", "sep",
    ]  # fmt: skip


def test_evaluations_are_the_hugging_face_models(masked_lm: Path, tmp_path: Path) -> None:
    run = run_of(masked_lm, AGREEMENT, tmp_path, dtype="float64")
    loaded = load_model(masked_lm, dtype="float64")
    for prediction, example in zip(run.records("predictions"), AGREEMENT.examples, strict=True):
        inputs = loaded.tokenizer(example.instance.text, return_tensors="pt")
        logits = loaded.module(**inputs).logits[0, prediction.target]
        right, wrong = loaded.tokenizer.convert_tokens_to_ids(["is", "are"])
        assert prediction.qoi == pytest.approx(float(logits[right] - logits[wrong]), abs=1e-10)
        assert prediction.is_correct == (prediction.qoi > 0)


def test_a_classifier_reads_the_label_or_the_predicted_class(classifier: Path, tmp_path: Path) -> None:
    run = run_of(classifier, REVIEWS, tmp_path, dtype="float64")
    loaded = load_model(classifier, dtype="float64")
    labelled, predicted = run.records("predictions")
    for prediction, example in zip((labelled, predicted), REVIEWS.examples, strict=True):
        logits = loaded.module(**loaded.tokenizer(example.instance.text, return_tensors="pt")).logits[0]
        chosen = example.instance.label if example.instance.label >= 0 else int(logits.argmax())
        others = max(float(x) for c, x in enumerate(logits) if c != chosen)
        assert prediction.qoi == pytest.approx(float(logits[chosen]) - others, abs=1e-10)
        assert prediction.target == 0
    assert (labelled.label_is_predicted, predicted.label_is_predicted) == (False, True)
    assert predicted.is_correct
    assert run.run.accuracy == float(labelled.is_correct)  # of the one that has a label


def test_the_other_qoi_of_two_classes_keeps_the_label_out(tmp_path: Path) -> None:
    model = save_classifier(tmp_path / "two", classes=2)
    good, bad = (
        Example(make_instance("r", text, label=label), (), f"r:{label}")
        for text, label in (("a good film .", 1), ("a bad film .", 0))
    )
    data = Dataset("r", [good, bad])
    one, other = (
        run_of(model, data, tmp_path, dtype="float64", qoi=qoi)
        for qoi in ("correct-wrong", "positive-negative")
    )
    ours, theirs = (list(run.records("predictions")) for run in (one, other))
    assert [e.qoi for e in theirs] == pytest.approx([ours[0].qoi, -ours[1].qoi])
    assert [e.is_correct for e in theirs] == [e.is_correct for e in ours]
    assert one.run.accuracy == other.run.accuracy == sum(e.is_correct for e in ours) / 2


@pytest.mark.parametrize("qoi", ["correct-wrong", "positive-negative"])
def test_sentences_without_labels_give_no_accuracy(tmp_path: Path, qoi: str) -> None:
    model = save_classifier(tmp_path / "two", classes=2)
    texts = ("a good film .", "a bad film .", "the film is not bad .")
    data = Dataset("r", [Example(make_instance("r", text), (), f"r:{text}") for text in texts])
    run = run_of(model, data, tmp_path, qoi=qoi)
    assert run.run.accuracy is None
    assert {(e.label_is_predicted, e.is_correct) for e in run.records("predictions")} == {(True, True)}
    assert "No sentence has a label" in paragraph(run.run, "0")


@pytest.mark.parametrize(
    "changed", [{"n_steps": 6}, {"baseline": "pad"}, {"level": "embedding"}, {"dtype": "float64"}]
)
def test_what_determines_the_numbers_changes_the_run_id(
    masked_lm: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    base = extract(masked_lm, AGREEMENT, runs_dir=tmp_path, n_steps=5)
    again = extract(masked_lm, AGREEMENT, runs_dir=tmp_path, n_steps=5, batch_size=1, seed=3)
    other = extract(masked_lm, AGREEMENT, runs_dir=tmp_path, **({"n_steps": 5} | changed))
    assert again.id == base.id != other.id


def test_a_password_on_the_command_line_is_not_recorded(
    masked_lm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/bin/ipgraph", "x", "--store", "bolt://neo4j:geheim@host:7687", "a@b"])
    run = run_of(masked_lm, AGREEMENT, tmp_path)
    assert "geheim" not in (run.path / "run.json").read_text()
    assert run.manifest["environment"]["command"] == "ipgraph x --store bolt://... a@b"


def test_rows_a_model_cannot_read_are_named_and_counted(masked_lm: Path, tmp_path: Path) -> None:
    rows = sentences(
        "the farmer [MASK] old .",
        "the zebra [MASK] old .",
        "the farmer " + "that the farmer likes " * 5 + "[MASK] old .",
    )
    rows.examples.append(
        Example(make_instance("mine", "a [MASK] .", correct="olds", wrong="old"), (), "mine.jsonl:4")
    )
    rows.examples.append(
        Example(make_instance("mine", "a [MASK] .", correct="zebra", wrong="old"), (), "mine.jsonl:5")
    )
    run = run_of(masked_lm, rows, tmp_path)
    reasons = {row["where"]: row["reason"] for row in run.manifest["skipped"]}
    assert run.run.skipped == len(reasons) == 4
    assert "'zebra'" in reasons["mine.jsonl:2"]
    assert "takes 24" in reasons["mine.jsonl:3"]
    assert "2 pieces" in reasons["mine.jsonl:4"]
    assert "not in the model's vocabulary" in reasons["mine.jsonl:5"]
    assert run_of(masked_lm, rows, tmp_path, allow_unk=True).run.instances == 2
    with pytest.raises(UsageError, match=r"mine\.jsonl:2: .*zebra"):
        run_of(masked_lm, rows, tmp_path, strict=True)


def test_two_forms_that_are_one_piece_to_the_model_are_no_question(masked_lm: Path, tmp_path: Path) -> None:
    rows = sentences("the farmer [MASK] old .", "a farmer [MASK] old .")
    for line, (correct, wrong) in enumerate((("Is", "is"), ("ís", "is")), 3):
        instance = make_instance("mine", "a [MASK] .", correct=correct, wrong=wrong)
        rows.examples.append(Example(instance, (), f"mine.jsonl:{line}"))
    run = run_of(masked_lm, rows, tmp_path)
    assert run.run.instances == 2
    assert [row["where"] for row in run.manifest["skipped"]] == ["mine.jsonl:3", "mine.jsonl:4"]
    assert "are the same piece 'is' to the model" in run.manifest["skipped"][0]["reason"]


def test_a_word_is_named_once_however_many_of_its_pieces_are_unknown(masked_lm: Path, tmp_path: Path) -> None:
    rows = sentences("the farmer [MASK] old .", 'the ""zebra"" [MASK] old .')
    with pytest.warns(SkippedRows, match=r"1 row of .* could not be used: .*zebra"):
        run = run_of(masked_lm, rows, tmp_path)
    (skipped,) = run.manifest["skipped"]
    assert skipped["reason"].count("zebra") == 1


def test_a_mask_in_a_classifiers_sentence_is_a_word_like_others(classifier: Path, tmp_path: Path) -> None:
    roles = ("det", "noun", "verb", "how", "punct")
    example = Example(make_instance("mine", "the film is [MASK] .", label=1), roles, "mine.jsonl:1")
    (prediction,) = run_of(classifier, Dataset("mine", [example]), tmp_path).records("predictions")
    assert prediction.roles == ["cls", *roles, "sep"]
    assert prediction.target == 0
    assert read_sentence("the film is [MASK] .", label=1).task == "classifier"


def test_the_limit_counts_usable_rows(masked_lm: Path, tmp_path: Path) -> None:
    rows = sentences("the zebra [MASK] old .", "the farmer [MASK] old .", "a farmer [MASK] old .")
    assert run_of(masked_lm, rows, tmp_path, limit=2).run.instances == 2


def test_longer_sentences_than_asked_for_are_left_out(masked_lm: Path, tmp_path: Path) -> None:
    run = run_of(masked_lm, AGREEMENT, tmp_path, max_tokens=7)
    assert [row.text for row in run.records("instances")] == ["a farmer [MASK] tall ."]
    assert "at most 7" in run.manifest["skipped"][0]["reason"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"method": "grp"}, "unknown method 'grp'; valid, nearest first: gpr"),
        ({"level": "heads"}, "unknown level 'heads'"),
        ({"baseline": "masc"}, "nearest first: mask"),
        ({"quadrature": "legendre"}, "nearest first: gauss-legendre"),
        ({"dtype": "float16"}, "unknown dtype 'float16'; valid, nearest first: float"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"n_steps": 1}, "n_steps is 1"),
        ({"batch_size": "some"}, "batch size 'some'"),
        ({"limit": 0}, "limit is 0"),
        ({"qoi": "positive-negative"}, "two classes"),
    ],
)
def test_a_request_that_cannot_be_met_is_one_sentence(
    masked_lm: Path, tmp_path: Path, request_: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        extract(masked_lm, AGREEMENT, runs_dir=tmp_path, **request_)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_dataset_for_another_task_is_refused(masked_lm: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is for a classifier model"):
        run_of(masked_lm, REVIEWS, tmp_path)


def test_no_usable_row_is_an_error_that_says_why(masked_lm: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can use: 1 x .*zebra.* \(mine\.jsonl:1\)$"):
        run_of(masked_lm, sentences("the zebra [MASK] ."), tmp_path)


def test_nan_from_a_model_stops_and_names_the_instance(masked_lm: Path, tmp_path: Path) -> None:
    loaded = load_model(masked_lm)
    with torch.no_grad():
        loaded.module.bert.encoder.layer[1].output.dense.weight.fill_(float("nan"))
    with pytest.raises(IpgraphError, match="NaN or infinite values for instance mine:"):
        extract(loaded, AGREEMENT, runs_dir=tmp_path, n_steps=5)


def test_the_first_pieces_that_differ_are_compared_and_named(masked_lm: Path, tmp_path: Path) -> None:
    dataset = sentences("the farmer [MASK] .", correct="old.", wrong="old,")
    with pytest.raises(UsageError, match="is 2 pieces"):
        run_of(masked_lm, dataset, tmp_path)
    run = run_of(masked_lm, dataset, tmp_path, answers="first-difference")
    (prediction,) = run.records("predictions")
    assert prediction.tokens == ["[CLS]", "the", "farmer", "old", "[MASK]", ".", "[SEP]"]
    assert (prediction.target, prediction.toward, prediction.against) == (4, ".", ",")
    model = load_model(masked_lm, device="cpu")
    ids = model.tokenizer.convert_tokens_to_ids(prediction.tokens)
    logits = oracle.logits(model.module, ids)[0, 4]
    correct, wrong = model.tokenizer.convert_tokens_to_ids([".", ","])
    assert prediction.qoi == pytest.approx(float(logits[correct] - logits[wrong]), abs=1e-5)
    assert json.loads(run.run.environment)["answers"] == "first-difference"
