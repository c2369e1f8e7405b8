"""The built-in datasets: structures, agreement, roles, the held-out split, limits and seeds."""

import re
import subprocess
import sys
from collections import Counter
from functools import cache
from itertools import islice

import pytest
from support.requirements import ROOT, shared

from ipgraph.extractor.datasets import Example, infos, load, make_instance, names, subset
from ipgraph.extractor.datasets.grammars.grammar import Sentence
from ipgraph.extractor.demo.corpus import (
    agreement_grammars,
    sentiment_grammars,
    training_sentences,
    vocabulary,
)
from ipgraph.extractor.demo.train import SEED
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.labels import ROLE_WIDTH

AGREEMENT = ["sva-obj", "sva-subj", "sva-wsc", "sva-app", "ra-na", "ra-ga"]
SUBTASKS = [*AGREEMENT, "sentiment"]
# Structure (s subject, a attractor, v clausal verb), and length and target position with [CLS] and [SEP].
STRUCTURES = {
    "sva-obj": (r"the (?P<s>\w+) that the (?P<a>\w+) (?P<v>\w+) \[MASK\] \w+ \.", 11, 7),
    "sva-subj": (r"the (?P<s>\w+) that (?P<v>\w+) the (?P<a>\w+) \[MASK\] \w+ \.", 11, 7),
    "sva-wsc": (r"the (?P<a>\w+) \w+ the (?P<s>\w+) \[MASK\] \w+ \.", 10, 6),
    "sva-app": (r"the (?P<s>\w+) next to the (?P<a>\w+) \[MASK\] \w+ \.", 11, 7),
    "ra-na": (r"the (?P<s>\w+) that the (?P<a>\w+) (?P<v>\w+) \w+ \[MASK\] \.", 11, 8),
    "ra-ga": (r"\w+ (?P<s>\w+) that \w+ (?P<a>\w+) \w+ (?P<v>\w+) \w+ \w+ \[MASK\] \.", 13, 10),
}
MEN = {
    "man",
    "king",
    "prince",
    "uncle",
    "father",
    "brother",
    "nephew",
    "husband",
    "son",
    "wizard",
    "monk",
    "boy",
    "actor",
    "waiter",
    "duke",
    "lord",
    "emperor",
    "hero",
    "groom",
    "grandfather",
}
BAD = {
    "bad",
    "awful",
    "terrible",
    "boring",
    "dull",
    "ugly",
    "weak",
    "horrible",
    "stupid",
    "disappointing",
    "annoying",
    "unpleasant",
    "silly",
    "cold",
    "poor",
}
DIGEST_OF_ALL = "9e2c30f405a0"
"""Of the instance ids of `all` and `sentiment`, seed 0: published numbers rest on these sentences."""


@cache
def examples(name: str) -> list[Example]:
    return load(name).examples


def features(subtask: str, text: str) -> tuple[str, str, str]:
    """Return the subject's and the attractor's number (or gender), and the clausal verb."""
    found = re.fullmatch(STRUCTURES[subtask][0], text)
    assert found, text
    groups = found.groupdict(default="")

    def value(noun: str) -> str:
        if subtask == "ra-ga":
            return "male" if noun in MEN else "female"
        return "plural" if noun.endswith("s") else "singular"

    return value(groups["s"]), value(groups["a"]), groups.get("v", "")


@pytest.mark.parametrize("subtask", SUBTASKS)
def test_a_subtask_has_1000_distinct_sentences_250_a_condition(subtask: str) -> None:
    instances = [e.instance for e in examples(subtask)]
    assert len({i.text for i in instances}) == len({i.id for i in instances}) == 1000
    assert set(Counter(i.condition for i in instances).values()) == {250}
    assert {i.subtask for i in instances} == {i.dataset for i in instances} == {subtask}


@pytest.mark.parametrize("subtask", AGREEMENT)
def test_sentences_have_the_papers_structure_and_the_subject_decides(subtask: str) -> None:
    forms = {
        "singular": {"is", "himself", "herself"},
        "plural": {"are", "themselves"},
        "male": {"himself"},
        "female": {"herself"},
    }
    _, length, target = STRUCTURES[subtask]
    for instance in (e.instance for e in examples(subtask)):
        tokens = ["[CLS]", *instance.text.split(), "[SEP]"]
        assert (len(tokens), tokens.index("[MASK]")) == (length, target)
        subject, attractor, verb = features(subtask, instance.text)
        assert instance.condition == f"{subject}_{attractor}"
        assert instance.correct in forms[subject]
        assert instance.wrong not in forms[subject]
        if verb and subtask != "ra-ga":
            number = subject if subtask == "sva-subj" else attractor
            assert verb.endswith("s") == (number == "singular")


def test_negation_turns_the_label_round() -> None:
    for instance in (e.instance for e in examples("sentiment")):
        tokens = instance.text.split()
        negative = (tokens[7] in BAD) != (tokens[6] == "not")
        assert instance.label == (0 if negative else 1), instance.text
        assert instance.condition == ("not_" if tokens[6] == "not" else "") + (
            "negative" if tokens[7] in BAD else "positive"
        )
        assert instance.correct == instance.wrong == ""


@pytest.mark.parametrize("subtask", SUBTASKS)
def test_every_word_has_a_role(subtask: str) -> None:
    by_role: dict[str, set[str]] = {}
    for example in examples(subtask):
        tokens = example.instance.text.split()
        assert len(tokens) == len(example.roles)
        for word, role in zip(tokens, example.roles, strict=True):
            assert role.isascii()
            assert 0 < len(role) <= ROLE_WIDTH
            by_role.setdefault(role, set()).add(word)
    assert by_role["punct"] == {"."}
    if subtask == "sentiment":
        assert by_role["negation"] == {"not"}
        assert by_role["adjective"] > BAD
    else:
        assert by_role["target"] == {"[MASK]"}
        found = [re.fullmatch(STRUCTURES[subtask][0], e.instance.text) for e in examples(subtask)]
        assert by_role["subject"] == {match["s"] for match in found if match}
        assert by_role["attractor"] == {match["a"] for match in found if match}


def content(words: tuple[str, ...], roles: tuple[str, ...], pairs: dict[str, str]) -> tuple[str, ...]:
    """Return a sentence's content words, one form for both of a pair."""
    kept = ("subject", "attractor", "work", "adjective") if "work" in roles else ("subject", "attractor")
    return tuple(pairs.get(w, w) for w, role in zip(words, roles, strict=True) if role in kept)


def counterparts() -> dict[str, str]:
    """Return each noun's or verdict's other form mapped to its first, read off the lists of words."""
    from ipgraph.extractor.datasets.grammars.words import KIN_AND_RANKS, PEOPLE, VERDICTS

    return {second: first for first, second in (*PEOPLE, *KIN_AND_RANKS, *VERDICTS)}


@pytest.mark.parametrize("task", ["agreement", "sentiment"])
def test_held_out_content_words_never_occur_together_in_training(task: str) -> None:
    grammars = agreement_grammars() if task == "agreement" else sentiment_grammars()
    pairs = counterparts()
    drawn = islice(training_sentences(grammars, SEED), 10000)
    trained = {content(s.words, s.roles, pairs) for s in drawn}
    assert len(trained) > 500
    for name in AGREEMENT if task == "agreement" else ["sentiment"]:
        for seed in range(2):
            served = {
                content(tuple(e.instance.text.split()), e.roles, pairs)
                for e in load(name, seed=seed).examples
            }
            assert len(served) > 50
            assert not served & trained


def test_training_sentences_differ_from_the_templates_in_length_and_place() -> None:
    drawn: list[Sentence] = list(islice(training_sentences(agreement_grammars(), 1), 2000))
    targets = Counter(s.roles.index("target") for s in drawn)
    assert len(targets) >= 6
    assert max(targets.values()) < 1200
    for sentence in drawn:
        assert sentence.words[sentence.roles.index("target")] == sentence.correct != sentence.wrong


def test_the_vocabulary_has_every_word_that_is_drawn_or_served() -> None:
    known = {"[MASK]", *vocabulary(agreement_grammars())}
    assert {w for s in islice(training_sentences(agreement_grammars(), 2), 5000) for w in s.words} <= known
    for instance in (e.instance for e in examples("all")):
        assert {*instance.text.split(), instance.correct, instance.wrong} <= known


def test_every_word_is_one_piece_in_berts_uncased_vocabulary() -> None:
    pieces = set(shared("models", "minilm-l6-sst2", "vocab.txt").read_text(encoding="utf-8").splitlines())
    for name in ("all", "sentiment"):
        assert {
            w for e in examples(name) for w in (*e.instance.text.split(), e.instance.correct)
        } <= pieces | {""}


def test_the_same_seed_gives_the_same_sentences_everywhere() -> None:
    script = (
        "from ipgraph.extractor.datasets import load; import hashlib;"
        "print(hashlib.sha256(''.join(e.instance.id for n in ('all', 'sentiment') for e in load(n).examples)"
        ".encode()).hexdigest()[:12])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == DIGEST_OF_ALL


def test_another_seed_gives_other_sentences() -> None:
    first, second = ({e.instance.id for e in load("sva-obj", seed=seed).examples} for seed in (0, 1))
    assert len(first & second) < 300


def test_an_id_follows_from_the_content() -> None:
    instance = make_instance(
        "d", "the [MASK] .", correct="is", wrong="are", subtask="s", condition="c", name="7"
    )
    same = make_instance("d", "the [MASK] .", correct="is", wrong="are", subtask="s", condition="c")
    assert instance.id == same.id == same.name
    assert re.fullmatch(r"d:[0-9a-f]{12}", instance.id)
    others = [
        make_instance("d", "a [MASK] .", correct="is", wrong="are", subtask="s", condition="c"),
        make_instance("d", "the [MASK] .", correct="are", wrong="is", subtask="s", condition="c"),
        make_instance("d", "the [MASK] .", correct="is", wrong="are", subtask="sc", condition=""),
        make_instance("d", "the [MASK] .", label=1, subtask="s", condition="c"),
    ]
    assert len({instance.id, *(o.id for o in others)}) == 5


def test_a_group_holds_its_subtasks_examples() -> None:
    by_name = {i.name: i for i in infos()}
    assert names() == list(by_name) == [*SUBTASKS, "sva", "ra", "all"]
    for group in ("sva", "ra", "all"):
        dataset = load(group)
        assert dataset.examples == [e for s in by_name[group].subtasks for e in examples(s)]
        assert len(dataset.examples) == by_name[group].n
        assert set(by_name[group].conditions) == {e.instance.condition for e in dataset.examples}
        assert {by_name[group].task, dataset.task} == {"masked-lm"}
    assert by_name["all"].subtasks == (*AGREEMENT,)
    assert load("sentiment").task == by_name["sentiment"].task == "classifier"


@pytest.mark.parametrize(
    ("name", "limit", "groups"), [("sva-obj", 10, 4), ("all", 60, 24), ("sentiment", 999, 4)]
)
def test_a_limit_is_spread_over_subtasks_and_conditions(name: str, limit: int, groups: int) -> None:
    kept = load(name, limit=limit).examples
    counts = Counter((e.instance.subtask, e.instance.condition) for e in kept)
    assert len(kept) == limit
    assert len(counts) == groups
    assert max(counts.values()) - min(counts.values()) <= 1
    assert set(Counter(e.instance.subtask for e in load("all", limit=6).examples).values()) == {1}


def test_a_smaller_limit_keeps_part_of_what_a_larger_one_keeps_in_the_same_order() -> None:
    every, larger, smaller = (
        [e.instance.id for e in load("ra", limit=limit).examples] for limit in (None, 101, 30)
    )
    assert smaller == [i for i in larger if i in set(smaller)]
    assert larger == [i for i in every if i in set(larger)]
    assert larger != [e.instance.id for e in load("ra", limit=101, seed=1).examples]


def test_a_small_condition_leaves_its_share_to_the_others() -> None:
    rows = [("rare", 2), ("common", 50), ("often", 50)]
    every = [Example(make_instance("d", f"{c} {n}", condition=c)) for c, count in rows for n in range(count)]
    kept = Counter(e.instance.condition for e in subset(every, 22))
    assert kept == {"rare": 2, "common": 10, "often": 10}
    assert subset(every, 500) == every


def test_bad_requests_say_what_would_be_right() -> None:
    with pytest.raises(UsageError, match=r"unknown dataset 'sva-ob'; valid, nearest first: sva-obj, "):
        load("sva-ob")
    with pytest.raises(UsageError, match="the limit is 0"):
        load("sva-obj", limit=0)
    with pytest.raises(UsageError, match="'sva-obj' needs a masked-lm or causal-lm model"):
        load("sva-obj", task="classifier")


def test_the_documentation_shows_sentences_that_are_there_and_every_role() -> None:
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \| (.*?) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    assert [name for name, *_ in rows] == SUBTASKS
    for name, text, answer, length, target in rows:
        [instance] = [e.instance for e in examples(name) if e.instance.text == text]
        tokens = ["[CLS]", *text.split(), "[SEP]"]
        assert len(tokens) == int(length)
        if name == "sentiment":
            assert (answer, target) == (f"{instance.label} (negative)", "0")
        else:
            assert (answer, tokens[int(target)]) == (f"{instance.correct} / {instance.wrong}", "[MASK]")
    described = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`\w+`.*?) \|", page, re.MULTILINE))))
    assert {role for name in SUBTASKS for e in examples(name) for role in e.roles} <= described


def test_datasets_import_no_torch() -> None:
    script = (
        "import ipgraph.extractor.datasets as d, sys; d.load('sva-obj'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
