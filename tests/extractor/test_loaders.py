"""Dataset files: every layout gives the same examples."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dataset_files import (
    LABELLED,
    MASKED,
    ONE_FILE,
    PAIR,
    SENTENCE,
    WORD,
    Record,
    contents,
    jsonl,
    masked_records,
    write,
)
from support.requirements import shared

from ipgraph.extractor.datasets import load
from ipgraph.extractor.datasets.files import read_dataset
from ipgraph.extractor.datasets.words import split_words
from ipgraph.graphstore.common.errors import UsageError

# --- what a usable row becomes ---


def test_masked_jsonl_keeps_every_field(tmp_path: Path) -> None:
    roles = ["determiner", "subject", "relativizer", "determiner", "attractor", "clausal_verb", "target"]
    record = MASKED | {"id": 12, "subtask": "obj", "condition": "pl", "roles": [*roles, "adjective", "punct"]}
    (example,) = read_dataset(write(tmp_path, jsonl(record))).examples
    instance = example.instance
    assert (instance.text, instance.correct, instance.wrong) == (MASKED["text"], "are", "is")
    assert (instance.name, instance.subtask, instance.condition) == ("12", "obj", "pl")
    assert (instance.dataset, instance.label, example.where) == ("set", -1, "set.jsonl:1")
    assert example.roles == (*roles, "adjective", "punct")


@pytest.mark.parametrize("column", ["subtask", "condition"])
def test_rows_without_a_name_beside_rows_with_one_are_a_group_of_their_own(
    tmp_path: Path, column: str
) -> None:
    """An empty subtask or condition asks for every one, so it cannot ask for those without."""
    texts = [MASKED | {"text": f"the farmer [MASK] {word} ."} for word in ("old", "tall", "happy")]
    rows = [texts[0] | {column: "obj"}, texts[1], texts[2] | {"id": "third"}]
    found = [e.instance for e in read_dataset(write(tmp_path, jsonl(*rows))).examples]
    assert [getattr(i, column) for i in found] == ["obj", "(none)", "(none)"]
    assert [i.name for i in found] == [found[0].id, found[1].id, "third"]
    repeated = read_dataset(write(tmp_path, jsonl(*rows, texts[1] | {column: "(none)"})))
    assert [e.instance for e in repeated.examples] == found
    assert [row.reason for row in repeated.skipped] == ["repeats row 2"]
    alone = read_dataset(write(tmp_path, jsonl(*texts))).examples
    assert {getattr(e.instance, column) for e in alone} == {""}


def test_blimp_pair_becomes_a_masked_text(tmp_path: Path) -> None:
    (example,) = read_dataset(write(tmp_path, jsonl(PAIR))).examples
    instance = example.instance
    assert (instance.text, instance.correct, instance.wrong) == ("The cats [MASK] .", "sleep", "sleeps")
    assert (instance.subtask, instance.name) == ("sv", "7")


def test_a_column_of_a_known_name_wins_over_one_that_may_mean_the_same(tmp_path: Path) -> None:
    lines = "text\tSentence\tlabel\tid\tidx\ngood .\tbad .\t1\tmine\t7\n"
    (example,) = read_dataset(write(tmp_path, lines)).examples
    assert (example.instance.text, example.instance.name) == ("good .", "mine")


def test_goldberg_layout(tmp_path: Path) -> None:
    lines = (
        "obj\tsing\tthe author laughs\tthe author laugh\nobj\tplur\tthe authors laugh\tthe authors laughs\n"
    )
    dataset = read_dataset(write(tmp_path, lines))
    assert [(e.instance.condition, e.instance.correct) for e in dataset.examples] == [
        ("sing", "laughs"),
        ("plur", "laugh"),
    ]
    assert dataset.examples[0].instance.text == "the author [MASK] ."
    assert read_dataset(write(tmp_path, "task\tcondition\tgood\tbad\n" + lines)).examples[0].instance == (
        dataset.examples[0].instance
    )


@pytest.mark.parametrize("columns", ["sentence\tlabel\n", ""])
def test_sst2_tsv(tmp_path: Path, columns: str) -> None:
    dataset = read_dataset(write(tmp_path, columns + "it 's a charming journey . \t1\nnot good\t0\n"))
    assert [(e.instance.text, e.instance.label) for e in dataset.examples] == [
        ("it 's a charming journey .", 1),
        ("not good", 0),
    ]
    assert dataset.task == "classifier"


def test_sentences_without_labels(tmp_path: Path) -> None:
    (example,) = read_dataset(write(tmp_path, "index\tsentence\n0\tuneasy mishmash\n")).examples
    assert (example.instance.label, example.instance.name) == (-1, "0")
    assert read_dataset(write(tmp_path, jsonl(LABELLED | {"label": -1}))).examples[0].instance.label == -1


def test_whole_numbers_that_a_data_frame_wrote_as_floats_are_ids(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([LABELLED | {"idx": 7.0}]), tmp_path / "a.parquet")
    (example,) = read_dataset(tmp_path / "a.parquet").examples
    assert example.instance.name == "7"


def test_a_text_alone_is_what_the_task_needs(tmp_path: Path) -> None:
    path = write(tmp_path, jsonl({"text": "a [MASK] film ."}))
    assert load(path, task="classifier").task == "classifier"
    for task in (None, "masked-lm"):
        with pytest.raises(UsageError, match=r"correct is missing \(set\.jsonl:1\)"):
            read_dataset(path, task=task)


def test_case_stays_as_written(tmp_path: Path) -> None:
    (example,) = read_dataset(
        write(tmp_path, jsonl(PAIR | {"sentence_good": "No cat", "sentence_bad": "Most cat"}))
    ).examples
    assert (example.instance.correct, example.instance.wrong) == ("No", "Most")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the cat [MASK]", "the cat [MASK] ."),
        ("the cat [MASK].", "the cat [MASK] ."),
        ("the cat [MASK] .", "the cat [MASK] ."),
        ("does the cat [MASK]?", "does the cat [MASK] ?"),
        ('he said, "the cat [MASK]."', 'he said , " the cat [MASK] ."'),
        ("([MASK]), they don't", "( [MASK] ), they don't ."),
        ("it 's twenty-three [MASK] ...", "it 's twenty-three [MASK] ..."),
        ("a  cat\u00a0of 3.5", "a cat of 3.5 ."),
        ("“[MASK]” it is", "“ [MASK] ” it is ."),
    ],
)
def test_punctuation_becomes_words(text: str, words: str) -> None:
    assert " ".join(split_words(text)[0]) == words


@pytest.mark.parametrize(
    "text",
    [
        "我喜欢[MASK]。",
        "私は[MASK]が好きです",
        "「[MASK]」！",
        "今天 我 [MASK]。",
        "the [MASK] old？",
        "ฉัน[MASK]ภาษา",
    ],
)
def test_no_space_is_put_into_a_text_that_has_none(tmp_path: Path, text: str) -> None:
    record = MASKED | {"text": text}
    (example,) = read_dataset(write(tmp_path, jsonl(record))).examples
    assert example.instance.text == text


@pytest.mark.parametrize("mark", "؟।")
def test_other_marks_end_a_sentence_too(tmp_path: Path, mark: str) -> None:
    (example,) = read_dataset(write(tmp_path, jsonl(MASKED | {"text": f"kya [MASK]{mark}"}))).examples
    assert example.instance.text == f"kya [MASK] {mark}"


def test_a_pair_without_spaces_differs_in_one_stretch(tmp_path: Path) -> None:
    rows = [("我喜欢学习。", "我讨厌学习。"), ("我喜欢学习。", "我喜欢学。")]
    path = write(tmp_path, jsonl(*({"good": good, "bad": bad} for good, bad in rows)))
    dataset = read_dataset(path)
    (instance,) = [example.instance for example in dataset.examples]
    assert (instance.text, instance.correct, instance.wrong) == ("我[MASK]学习。", "喜欢", "讨厌")
    assert "only one of good and bad has '习'" in dataset.skipped[0].reason


@pytest.mark.parametrize("text", ["\u200b", "\ufeff \u00ad", "\u2028\u200d", "\u3164", "\u2800\ufe0f"])
def test_invisible_characters_are_not_a_sentence(tmp_path: Path, text: str) -> None:
    rows = [LABELLED, LABELLED | {"text": text}]
    (skipped,) = read_dataset(write(tmp_path, jsonl(*rows))).skipped
    assert "text has only invisible characters" in skipped.reason or "text is empty" in skipped.reason


def test_a_second_sentence_is_read(tmp_path: Path) -> None:
    rows = [{"text": "a  film", "second": "not\tgood", "label": 1, "roles": "a b c d"}]
    (example,) = read_dataset(write(tmp_path, jsonl(*rows))).examples
    assert (example.instance.text, example.instance.second) == ("a film", "not good")
    assert example.roles == ("a", "b", "c", "d")


def test_roles_follow_the_split_words(tmp_path: Path) -> None:
    record = MASKED | {
        "text": "the cat, [MASK] old",
        "roles": ["determiner", "subject", "target", "adjective"],
    }
    (example,) = read_dataset(write(tmp_path, jsonl(record))).examples
    assert example.instance.text == "the cat , [MASK] old ."
    assert example.roles == ("determiner", "subject", "punct", "target", "adjective", "punct")
    spaced = MASKED | {"text": "the cat, [MASK] old", "roles": "determiner subject target adjective"}
    assert read_dataset(write(tmp_path, jsonl(spaced))).examples[0] == example


def test_a_classifiers_text_stays_whole(tmp_path: Path) -> None:
    (example,) = read_dataset(
        write(tmp_path, jsonl({"text": " not  good.", "label": 0, "roles": ["a", "b"]}))
    ).examples
    assert (example.instance.text, example.roles) == ("not good.", ("a", "b"))


# --- properties ---


def distinct(records: Sequence[Record]) -> list[Record]:
    keys = ("text", "correct", "wrong", "condition")
    return list({tuple(record[key] for key in keys): record for record in records}.values())


@ONE_FILE
@given(
    records=st.lists(masked_records(), min_size=1, max_size=30).map(distinct),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\r\n \r\n"]),
    bom=st.booleans(),
    zipped=st.booleans(),
    layout=st.sampled_from(["jsonl", "tsv", "parquet"]),
)
def test_every_layout_reads_back_what_was_written(
    tmp_path: Path, records: list[Record], end: str, bom: bool, zipped: bool, layout: str
) -> None:
    path = tmp_path / "any.name"
    if layout == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    else:
        lines = [json.dumps(r, ensure_ascii=False) for r in records]
        if layout == "tsv":
            lines = ["\t".join(records[0]), *("\t".join(r.values()) for r in records)]
        content = ("\ufeff" * bom + end.join(lines)).encode()
        path.write_bytes(gzip.compress(content) if zipped else content)
    dataset = read_dataset(path, strict=True)
    some = "(none)" if any(r["condition"] for r in records) else ""
    assert contents(dataset.examples) == [r | {"condition": r["condition"] or some} for r in records]


@given(
    words=SENTENCE, place=st.integers(0, 7), other=WORD, mark=st.sampled_from(["", ".", "!", " .", '."', "?"])
)
def test_a_pair_is_its_masked_text_filled_in(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], place: int, other: str, mark: str
) -> None:
    place %= len(words)
    bad = [*words[:place], other, *words[place + 1 :]]
    path = tmp_path_factory.getbasetemp() / "pair.jsonl"
    path.write_text(jsonl({"good": " ".join(words) + mark, "bad": " ".join(bad) + mark}))
    if other == words[place]:
        with pytest.raises(UsageError, match="differ in 0 words"):
            read_dataset(path)
        return
    (example,) = read_dataset(path).examples
    instance = example.instance
    end = mark.strip() or "."
    assert (instance.correct, instance.wrong) == (words[place], other)
    assert instance.text.replace("[MASK]", instance.correct) == " ".join([*words, end])
    assert instance.text.replace("[MASK]", instance.wrong) == " ".join([*bad, end])


@given(text=st.text(" ab'.,?!()\"…é-", max_size=30))
def test_splitting_is_idempotent_and_only_adds_spaces_and_an_end(text: str) -> None:
    words, _ = split_words(text)
    joined = "".join(words)
    bare = "".join(text.split())
    assert joined in (bare, bare + ".")
    assert split_words(" ".join(words))[0] == words
    assert not any(len(word) > 1 and word[-1] in ".,?!" and word[-2].isalnum() for word in words)
    assert not words or set(words[-1]) & set(".!?…")


@given(text=st.text(" ab.,?(", max_size=20), data=st.data())
def test_roles_stay_with_their_words(text: str, data: st.DataObject) -> None:
    whole = text.split()
    roles = [f"r{n}" for n in range(len(whole))]
    words, split_roles = split_words(text, roles)
    assert len(split_roles) == len(words)
    assert [role for role in split_roles if role != "punct"] == roles
    letters = {f"r{n}": "".join(filter(str.isalpha, word)) for n, word in enumerate(whole)}
    for word, role in zip(words, split_roles, strict=True):
        assert "".join(filter(str.isalpha, word)) == letters.get(role, "")


# --- the published files ---


def test_paper_tasks_are_read_whole() -> None:
    for path in sorted(shared("data", "paper_tasks").glob("*.jsonl")):
        dataset = read_dataset(path, strict=True)
        records = [json.loads(line) for line in path.read_text().splitlines()]
        assert contents(dataset.examples) == [
            {k: r[k] for k in ("text", "correct", "wrong", "condition", "id")} for r in records
        ]


def test_blimp_is_read_whole() -> None:
    for path in sorted(shared("data", "blimp").glob("*.jsonl")):
        dataset = read_dataset(path, strict=True)
        records = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(dataset.examples) == 1000
        for example, record in zip(dataset.examples, records, strict=True):
            filled = example.instance.text.replace("[MASK]", example.instance.correct)
            assert filled.replace(" .", ".") == record["sentence_good"]
            filled = example.instance.text.replace("[MASK]", example.instance.wrong)
            assert filled.replace(" .", ".") == record["sentence_bad"]


def test_sst2_is_read_whole() -> None:
    path = shared("data", "sst2", "validation.parquet")
    dataset = load(path, task="classifier", strict=True)
    rows = pq.read_table(path).to_pylist()
    assert [(e.instance.text, e.instance.label, e.instance.name) for e in dataset.examples] == [
        (row["sentence"].strip(), row["label"], str(row["idx"])) for row in rows
    ]


def test_marvin_linzen_agrees_with_the_paper_task(tmp_path: Path) -> None:
    with gzip.open(shared("data", "marvin_linzen.tsv.gz")) as file:
        lines = [line for line in file if line.startswith(b"obj_rel_across_anim\t")]
    path = tmp_path / "obj.tsv.gz"
    path.write_bytes(gzip.compress(b"".join(lines), compresslevel=1))
    dataset = read_dataset(path, strict=True)
    assert len(dataset.examples) == len(lines) == 11_200
    found, expected = (
        {(e.instance.condition, e.instance.text, e.instance.correct, e.instance.wrong) for e in examples}
        for examples in (
            dataset.examples,
            read_dataset(shared("data", "paper_tasks", "sva-obj.jsonl")).examples,
        )
    )
    assert len(expected) == 1000
    assert expected <= found
