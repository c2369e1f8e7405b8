"""Decoders on datasets: what is read of a text, where paths start, when a sentence settles."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise, product
from math import prod
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
from support.random_decoders import random_decoder
from support.tiny_models import save_decoder
from support.tiny_tokenizers import causal
from tokenizers import processors

from ipgraph.extractor.datasets import Dataset, Example, load
from ipgraph.extractor.datasets.example import make_instance
from ipgraph.extractor.evaluation import instances
from ipgraph.extractor.evaluation.ablation.accuracy import readings
from ipgraph.extractor.evaluation.ablation.forward import Kept, ablated
from ipgraph.extractor.evaluation.evaluate import evaluate
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.inspection.checking import check, require_right
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.encoding import Encoded, encode
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.extractor.models.shapes import adapter_shape
from ipgraph.extractor.tracing.batch import pad
from ipgraph.extractor.tracing.sampling import LADDER
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.measures import ABLATED_ACCURACY, ONE_PER_WORD
from ipgraph.graphstore.schema.records import LEVELS, Measure

TEXTS = ["the doctor that the musicians love [MASK] happy .", "doctors , old and tall , [MASK] here"]


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return loaded(tmp_path_factory.mktemp("gpt2"), "gpt2", bos=False)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return loaded(tmp_path_factory.mktemp("llama"), "llama", bos=True)


def loaded(folder: Path, family: str, task: str = "causal-lm", *, bos: bool) -> LoadedModel:
    return load_model(save_decoder(folder, family, task, bos=bos), dtype="float64", device="cpu")


def sentences(*texts: str, correct: str = "is", wrong: str = "are") -> Dataset:
    made = [make_instance("mine", text, correct=correct, wrong=wrong) for text in texts]
    return Dataset("mine", [Example(instance) for instance in made])


def encoded(model: LoadedModel, dataset: Dataset, **options: Any) -> list[Encoded]:
    read, skipped = encode(model, dataset.examples, **options)
    assert not skipped
    return read


def from_rows(folder: Path, *rows: Mapping[str, object]) -> Dataset:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load(file, task="causal-lm")


def test_a_text_is_cut_before_its_mask(llama: LoadedModel, tmp_path: Path) -> None:
    rows = [{"text": text, "correct": "is", "wrong": "are"} for text in TEXTS]
    for one, text in zip(encoded(llama, from_rows(tmp_path, *rows)), TEXTS, strict=True):
        before = text.partition(" [MASK]")[0]
        assert one.ids == llama.tokenizer(before)["input_ids"]
        assert one.target == len(one.ids) - 1
        good, bad = (llama.tokenizer(f"{before} {form}")["input_ids"] for form in ("is", "are"))
        assert one.qoi_logits == (good[len(one.ids)], bad[len(one.ids)])
        assert one.roles[0] == "bos"
        spans = llama.tokenizer(before, return_offsets_mapping=True)["offset_mapping"][1:]
        for word, (start, end) in zip(one.words[1:], spans, strict=True):
            assert word.startswith(before[:end].split()[-1]) or not before[start:end].strip()
        assert set(one.words[1:]) == set(before.split())
        assert one.instance.text == text  # punctuation stays as it is written


def test_pieces_that_forms_share_are_read_at_the_targets_place(gpt2: LoadedModel) -> None:
    dataset = sentences("the old [MASK] .", correct="musiciansx", wrong="musiciansy")
    (example,) = dataset.examples
    dataset.examples = [Example(example.instance, ("det", "adj", "verb", "punct"))]
    good, bad = (gpt2.tokenizer(f"the old {form}")["input_ids"] for form in ("musiciansx", "musiciansy"))
    same = next(i for i, (one, other) in enumerate(zip(good, bad, strict=False)) if one != other)
    (read,) = encoded(gpt2, dataset)
    before = len(gpt2.tokenizer("the old")["input_ids"])
    assert before < same
    assert (read.ids, read.qoi_logits) == (good[:same], (good[same], bad[same]))
    assert set(read.roles[before:]) == {"target"}
    assert set(read.words[before:]) == {"[MASK]"}
    none, skipped = encode(gpt2, dataset.examples, answers="single-piece")
    assert not none
    assert "must be a single known piece" in skipped[0].reason


def test_a_word_that_a_form_completes_is_named_without_it(gpt2: LoadedModel) -> None:
    for text in ("the doctor un[MASK] .", "the doctor ([MASK] old ."):
        (read,) = encoded(gpt2, sentences(text))
        assert [*dict.fromkeys(read.words)] == text.split()[:3]


def test_pairs_are_compared_where_their_pieces_part(gpt2: LoadedModel, tmp_path: Path) -> None:
    pairs = [
        ("The doctors are happy today .", "The doctors is not happy ."),
        ("the old musicians love it", "the old musicianss like it"),
        ("a doctor, happy or not, is here", "a doctor, happy or not, are there"),
    ]
    dataset = from_rows(tmp_path, *({"sentence_good": good, "sentence_bad": bad} for good, bad in pairs))
    for (good, bad), read in zip(pairs, encoded(gpt2, dataset), strict=True):
        one, other = (gpt2.tokenizer(text)["input_ids"] for text in (good, bad))
        same = next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
        assert (read.ids, read.qoi_logits) == (one[:same], (one[same], other[same]))


def test_pairs_without_one_beginning_are_skipped_with_the_reason(tmp_path: Path, gpt2: LoadedModel) -> None:
    rows: list[dict[str, object]] = [
        {
            "good": "the doctor is old",
            "bad": "the doctor are old",
            "one_prefix_method": True,
        },
        {
            "good": "the doctor is tall",
            "bad": "the doctor are tall",
            "one_prefix_method": False,
        },
        {"good": "doctors love it", "bad": "is love it"},
        {"good": "the doctor is", "bad": "the doctor is old"},
        {"good": "the is old", "bad": "the are old"},
    ]
    dataset = from_rows(tmp_path, *rows)
    reasons = [row.reason for row in dataset.skipped]
    assert ["one_prefix_method is false" in reasons[0], "different words" in reasons[1]] == [True, True]
    assert reasons[2] == "one of good and bad begins the other"
    read, skipped = encode(gpt2, dataset.examples)
    assert [len(read), len(skipped)] == [1, 1]
    assert "fewer than 2 pieces stand before the answer" in skipped[0].reason


def question(model: LoadedModel, one: Encoded, options: Options, points: int) -> oracle.Question:
    words = model.module.get_input_embeddings()(torch.tensor(one.ids)).detach()
    baseline = words.new_tensor(model.adapter.words.numpy().mean(0)).repeat(len(words), 1)
    if not options.move_first:
        baseline[0] = words[0]
    return oracle.Question(
        tuple(one.ids), one.target, *one.qoi_logits, baseline, *oracle.gauss_legendre(points)
    )


@pytest.mark.parametrize("move_first", [False, True])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_patterns_are_those_of_the_definition(
    request: pytest.FixtureRequest, tmp_path: Path, family: str, move_first: bool
) -> None:
    model: LoadedModel = request.getfixturevalue(family)
    run = extract(model, sentences(*TEXTS), runs_dir=tmp_path, n_steps=4, move_first=move_first)
    assert (run.run.baseline, run.run.move_first) == ("mean", move_first)
    patterns = list(run.records("patterns"))
    for one, prediction in zip(encoded(model, sentences(*TEXTS)), run.records("predictions"), strict=True):
        asked = question(model, one, Options(move_first=move_first), 4)
        ends = [oracle.qoi_at(model.module, asked, a) for a in (0, 1)]
        assert [prediction.qoi_baseline, prediction.qoi] == pytest.approx(ends, abs=1e-5)
        expected = {
            found.word: found for found in oracle.gpr(model.module, asked, sees=lambda _, e, j: e >= j)
        }
        assert (0 in expected) == move_first
        mine = [p for p in patterns if p.instance == one.instance.id and p.level == "embedding"]
        assert {p.position for p in mine} == set(expected)
        for pattern in mine:
            there = expected[pattern.position]
            assert tuple(int(label[-4:]) for label in pattern.route.split())[1:] == there.positions
            assert pattern.influence == pytest.approx(there.position_influences[-1], rel=1e-4, abs=1e-6)


def test_a_decoder_settles_at_the_second_of_two_rungs_in_a_row(llama: LoadedModel, tmp_path: Path) -> None:
    tolerance = 0.05
    rights, firsts, twice = [], [], []  # the rung by the rule, by one rung alone, by two that may lie apart
    run = extract(llama, sentences(*TEXTS), runs_dir=tmp_path, tolerance=tolerance)
    for one, prediction in zip(encoded(llama, sentences(*TEXTS)), run.records("predictions"), strict=True):
        within = []
        for points in LADDER:
            asked = question(llama, one, Options(), points)
            change = oracle.qoi_at(llama.module, asked, 1) - oracle.qoi_at(llama.module, asked, 0)
            error = abs(sum(oracle.integrated_gradients(llama.module, asked)) - change)
            within.append(error <= tolerance * max(abs(change), 0.1))
        settled = (i for i in range(1, len(LADDER)) if within[i - 1] and within[i])
        last = next(settled, len(LADDER) - 1)
        assert prediction.points == LADDER[last]
        assert prediction.is_settled == (within[last] and within[last - 1])
        rights.append(last)
        hits = [*(i for i, hit in enumerate(within) if hit), len(LADDER) - 1, len(LADDER) - 1]
        firsts.append(hits[0])
        twice.append(hits[1])
    assert rights not in (firsts, twice)


def test_baselines_are_those_of_the_vocabulary(gpt2: LoadedModel, llama: LoadedModel) -> None:
    words = gpt2.module.get_input_embeddings().weight
    options = Options().for_model(gpt2)
    assert options.baseline == "mean"
    assert torch.allclose(options.baseline_of(gpt2).embedding, words.mean(0))
    piece = gpt2.tokenizer.convert_tokens_to_ids("Ġthe")
    for name in ("token: the", "token:Ġthe"):
        chosen = Options(baseline=name).for_model(gpt2)
        assert chosen.baseline == "token:Ġthe"
        assert torch.equal(chosen.baseline_of(gpt2).embedding, words[piece])
    assert Options(baseline="zero").for_model(gpt2).baseline == "zero"  # positions are added to the words
    refused: list[tuple[LoadedModel, str, str]] = [
        (llama, "zero", "the zero baseline is refused"),
        (llama, "mask", "no mask token"),
        (gpt2, "token:the doctor is", "is not one piece"),
        (load_model("demo-gpt2"), "token:xqz", "is not one piece"),  # to its tokenizer an unknown word
    ]
    for model, name, message in refused:
        with pytest.raises(UsageError, match=message):
            Options(baseline=name).for_model(model)
    with pytest.raises(UsageError, match="unknown baseline 'medium'"):
        Options(baseline="medium")


def test_a_classifier_is_read_at_its_last_token(tmp_path: Path) -> None:
    model = loaded(tmp_path / "model", "llama", "classifier", bos=True)
    examples = [Example(make_instance("mine", text, label=1)) for text in ("the doctor is old", "a doctor")]
    run = extract(model, Dataset("mine", examples), runs_dir=tmp_path, n_steps=3)
    for example, prediction in zip(examples, run.records("predictions"), strict=True):
        ids = model.tokenizer([example.instance.text], return_tensors="pt")["input_ids"]
        logits = model.module(input_ids=ids).logits[0]
        others = logits.clone()
        others[1] = -torch.inf
        assert prediction.target == ids.shape[1] - 1
        assert prediction.qoi == pytest.approx(float(logits[1] - others.max()), abs=1e-5)


def test_a_classifier_does_not_read_an_end_that_serves_as_padding(tmp_path: Path) -> None:
    tokenizer = causal(bos=False)
    end = tokenizer.eos_token_id
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", end)]
    )
    module = random_decoder("llama", "classifier", 0, vocab_size=len(tokenizer), pad_token_id=end)
    model = load_model(module, tokenizer=tokenizer, dtype="float64", device="cpu")
    examples = [Example(make_instance("mine", text, label=1)) for text in ("the doctor is old", "a doctor")]
    run = extract(model, Dataset("mine", examples), runs_dir=tmp_path, n_steps=3)
    for example, prediction in zip(examples, run.records("predictions"), strict=True):
        ids = tokenizer([example.instance.text], return_tensors="pt")["input_ids"]
        logits = module(input_ids=ids).logits[0]
        others = logits.clone()
        others[1] = -torch.inf
        assert prediction.target == ids.shape[1] - 2
        assert prediction.qoi == pytest.approx(float(logits[1] - others.max()), abs=1e-5)
    require_right(model, check(model))
    none, skipped = encode(model, [Example(make_instance("mine", "the </s> doctor", label=1))])
    assert not none
    assert "contains the padding token" in skipped[0].reason


def test_a_first_token_that_also_stands_for_unknown_words_is_read(tmp_path: Path) -> None:
    tokenizer = causal(bos=True)
    tokenizer.unk_token = tokenizer.bos_token
    module = random_decoder("llama", "causal-lm", 0, vocab_size=len(tokenizer))
    model = load_model(module, tokenizer=tokenizer, dtype="float64", device="cpu")
    read, skipped = encode(model, sentences(TEXTS[0], "the <s> doctor [MASK]").examples)
    assert [one.ids[0] for one in read] == [tokenizer.bos_token_id]
    assert [row.reason.partition(";")[0] for row in skipped] == ["not in the model's vocabulary: '<s>'"]


def test_a_first_token_is_not_written_again(gpt2: LoadedModel, llama: LoadedModel) -> None:
    """A decoder whose tokenizer adds none may be given one."""
    first = llama.tokenizer.bos_token
    read, (skipped,) = encode(llama, sentences(TEXTS[0], f"{first} the doctor [MASK]").examples)
    assert len(read) == 1
    assert skipped.reason.startswith(f"the text contains {first!r}, which the tokenizer puts first itself")
    (one,) = encoded(gpt2, sentences(f"{gpt2.tokenizer.eos_token} the doctor [MASK]"))
    assert one.ids[0] == gpt2.tokenizer.eos_token_id


def test_a_decoders_own_padding_token_is_not_read() -> None:
    model = load_model("demo-gpt2")
    assert model.padding not in (model.tokenizer.bos_token_id, model.tokenizer.eos_token_id)
    none, (skipped,) = encode(model, sentences(f"the {model.tokenizer.pad_token} doctor [MASK]").examples)
    assert not none
    assert "contains the padding token" in skipped.reason


def test_forms_that_are_one_piece_to_the_model_are_named() -> None:
    none, (skipped,) = encode(load_model("demo-gpt2"), sentences(TEXTS[0], wrong="IS").examples)
    assert not none
    assert "the correct form 'is' and the wrong form 'IS' are the same piece 'is'" in skipped.reason


def zeroed(kept: Callable[[int], list[bool]], layer: int) -> Any:
    def hook(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output * torch.tensor(kept(layer))[None, :, None]

    return hook


def ablated_logits(gpt2: LoadedModel, one: Encoded, kept: Callable[[int], list[bool]]) -> torch.Tensor:
    """Return the logits at the target where positions that are not kept are zero, by hooks."""
    base = gpt2.module.transformer
    hooks = [base.drop.register_forward_hook(zeroed(kept, 0))]
    hooks += [block.register_forward_hook(zeroed(kept, i + 1)) for i, block in enumerate(base.h)]
    logits: torch.Tensor = gpt2.module(input_ids=torch.tensor([one.ids])).logits[0, one.target]
    for hook in hooks:
        hook.remove()
    return logits


def test_the_first_position_stays_in_every_ablation(gpt2: LoadedModel, tmp_path: Path) -> None:
    (one,) = encoded(gpt2, sentences(TEXTS[0]))
    length, depth = len(one.ids), len(gpt2.adapter.layers)
    chance = torch.rand(1, 1, depth + 1, length, generator=torch.Generator().manual_seed(0)) < 0.5
    chance[..., 0], chance[:, :, -1, one.target] = False, True

    def kept(layer: int) -> list[bool]:
        row: list[bool] = chance[0, 0, layer].tolist()
        return [True, *row[1:]]

    by_hooks = ablated_logits(gpt2, one, kept)
    with torch.no_grad():
        found = ablated(gpt2.adapter, pad(gpt2, [one]), Kept(chance).with_first())
        logits = gpt2.adapter.logits(found, torch.arange(len(by_hooks))[None])[0, 0]
    assert torch.allclose(logits, by_hooks, atol=1e-5)
    run = extract(gpt2, sentences(*TEXTS), runs_dir=tmp_path, n_steps=4)
    measures = evaluate(run, model=gpt2, draws=2, resamples=2)
    assert {"original", "nothing", "gpr"} <= {measure.method for measure in measures}
    assert path_shares(measures) == pytest.approx(shares_of_all_but_the_first(run, gpt2))
    for batch in instances.batches(instances.read(run, gpt2), gpt2, Options(n_steps=4), None):
        for row, patterns in enumerate(batch.patterns):
            expected = [0 < position <= patterns.encoded.target for position in range(batch.inner.shape[-1])]
            assert batch.inner[row].tolist() == [expected] * (depth - 1)


def test_an_evaluation_of_the_targets_column_alone_keeps_the_first_position(
    gpt2: LoadedModel, tmp_path: Path
) -> None:
    pairs = [("is", "are"), ("are", "is"), ("happy", "old"), ("old", "tall"), ("the", "a")]
    examples = [
        example
        for first in ("the", "doctors", "old", "happy")
        for correct, wrong in pairs
        for example in sentences(f"{first} doctor [MASK]", correct=correct, wrong=wrong).examples
    ]
    dataset = Dataset("mine", examples)
    run = extract(gpt2, dataset, runs_dir=tmp_path, n_steps=2, level="embedding")
    right: dict[bool, list[bool]] = {True: [], False: []}
    for one in encoded(gpt2, dataset):
        for holds, found in right.items():
            logits = ablated_logits(gpt2, one, partial(target_only, one, holds=holds))
            found.append(bool(logits[one.qoi_logits[0]] > logits[one.qoi_logits[1]]))
    assert fmean(right[True]) != fmean(right[False])
    measures = evaluate(run, model=gpt2, draws=2, resamples=2)
    [accuracy] = [m.value for m in measures if (m.metric, m.method) == (ABLATED_ACCURACY, "target_column")]
    assert accuracy == pytest.approx(fmean(right[True]))


def target_only(one: Encoded, _layer: int, *, holds: bool) -> list[bool]:
    """Return what is kept in every layer: the target, and the first position if held."""
    return [at == one.target or (at == 0 and holds) for at in range(len(one.ids))]


def path_shares(measures: list[Measure]) -> dict[str, float]:
    """Return the shares by level, one path per word."""
    found = [m for m in measures if (m.metric, m.counting, m.grouping) == ("path_share", ONE_PER_WORD, "")]
    return {measure.level: measure.value for measure in found}


def shares_of_all_but_the_first(run: RunDirectory, model: LoadedModel) -> dict[str, float]:
    """Count every path to the target that starts after the first position, one by one."""
    shape, shares = adapter_shape(model.adapter), defaultdict[str, list[float]](list)
    kept = Counter((p.instance, p.level) for p in run.records("patterns") if p.total_influence >= 0)
    for prediction in run.records("predictions"):
        target = prediction.target
        paths = [
            path
            for path in product(range(target + 1), repeat=len(shape.layers))
            if path[0] and all(a <= b for a, b in pairwise((*path, target)))
        ]
        heads = shape.layers[0].heads
        hops = [prod(heads + (a == b) for a, b in pairwise((*path, target))) for path in paths]
        for level, every in (("embedding", len(paths)), ("attention", sum(hops))):
            shares[level].append(kept[prediction.instance, level] / every)
    return {level: fmean(values) for level, values in shares.items()}


def test_the_targets_word_leaves_pi_plus_where_its_column_is_dropped(
    gpt2: LoadedModel, tmp_path: Path
) -> None:
    run = extract(gpt2, sentences(*TEXTS), runs_dir=tmp_path, n_steps=4)
    options = Options(n_steps=4).for_model(gpt2)
    found, with_target = 0, 0
    for batch in instances.batches(instances.read(run, gpt2), gpt2, options, 2):
        for level in LEVELS:
            for reading, nodes, column in readings(batch, level):
                for row, patterns in enumerate(batch.patterns):
                    target = patterns.encoded.target
                    words = set(np.flatnonzero(patterns.positive).tolist())
                    with_target += target in words
                    kept = words | {target} if reading == "kept" else words - {target}
                    assert set(nodes.embeddings[row, 0].nonzero()[:, 0].tolist()) == kept
                    assert (column is None) == (reading == "dropped")
                    found += 1
    assert found == 8
    assert with_target
