"""Dataset files: every layout gives the same examples, and every bad row is reported with line and reason."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requirements import shared

from ipgraph.extractor.datasets import Dataset, load
from ipgraph.extractor.datasets.example import Example, Skipped
from ipgraph.extractor.datasets.files import read_file
from ipgraph.extractor.datasets.words import split_words
from ipgraph.graphstore.errors import IpgraphError, UsageError

Record = dict[str, Any]
Write = Callable[[str | bytes], Path]

MASKED = {"text": "the farmers that the man loves [MASK] old .", "correct": "are", "wrong": "is"}
PAIR = {"sentence_good": "The cats sleep.", "sentence_bad": "The cats sleeps.", "UID": "sv", "pairID": "7"}
LABELLED = {"sentence": "it 's a charming journey . ", "label": 1, "idx": 0}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "set.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def jsonl(*records: Record) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def reasons(dataset: Dataset) -> list[str]:
    return [skipped.reason for skipped in dataset.skipped]


def reason(write: Write, good: Record, **changes: Any) -> str:
    """Return why a good record is skipped once these fields are changed (None removes one)."""
    record = {name: value for name, value in {**good, **changes}.items() if value is not None}
    dataset = read_file(write(jsonl(good, record)))
    assert [example.where for example in dataset.examples] == ["set.jsonl:1"]
    (skipped,) = dataset.skipped
    assert skipped.where == "set.jsonl:2"
    return skipped.reason


# --- what a usable row becomes ---


def test_masked_jsonl_keeps_every_field(write: Write) -> None:
    roles = ["determiner", "subject", "relativizer", "determiner", "attractor", "clausal_verb", "target"]
    record = MASKED | {"id": 12, "subtask": "obj", "condition": "pl", "roles": [*roles, "adjective", "punct"]}
    (example,) = read_file(write(jsonl(record))).examples
    instance = example.instance
    assert (instance.text, instance.correct, instance.wrong) == (MASKED["text"], "are", "is")
    assert (instance.name, instance.subtask, instance.condition) == ("12", "obj", "pl")
    assert (instance.dataset, instance.label, example.where) == ("set", -1, "set.jsonl:1")
    assert example.roles == (*roles, "adjective", "punct")


def test_blimp_pair_becomes_a_masked_text(write: Write) -> None:
    (example,) = read_file(write(jsonl(PAIR))).examples
    instance = example.instance
    assert (instance.text, instance.correct, instance.wrong) == ("The cats [MASK] .", "sleep", "sleeps")
    assert (instance.subtask, instance.name) == ("sv", "7")


def test_goldberg_layout(write: Write) -> None:
    lines = (
        "obj\tsing\tthe author laughs\tthe author laugh\nobj\tplur\tthe authors laugh\tthe authors laughs\n"
    )
    dataset = read_file(write(lines))
    assert [(e.instance.condition, e.instance.correct) for e in dataset.examples] == [
        ("sing", "laughs"),
        ("plur", "laugh"),
    ]
    assert dataset.examples[0].instance.text == "the author [MASK] ."
    assert read_file(write("task\tcondition\tgood\tbad\n" + lines)).examples[0].instance == (
        dataset.examples[0].instance
    )


@pytest.mark.parametrize("columns", ["sentence\tlabel\n", ""])
def test_sst2_tsv(write: Write, columns: str) -> None:
    dataset = read_file(write(columns + "it 's a charming journey . \t1\nnot good\t0\n"))
    assert [(e.instance.text, e.instance.label) for e in dataset.examples] == [
        ("it 's a charming journey .", 1),
        ("not good", 0),
    ]
    assert dataset.task == "classifier"


def test_sentences_without_labels(write: Write) -> None:
    (example,) = read_file(write("index\tsentence\n0\tuneasy mishmash\n")).examples
    assert (example.instance.label, example.instance.name) == (-1, "0")
    assert read_file(write(jsonl(LABELLED | {"label": -1}))).examples[0].instance.label == -1


def test_a_text_alone_is_what_the_task_needs(write: Write) -> None:
    path = write(jsonl({"text": "a [MASK] film ."}))
    assert load(path, task="classifier").task == "classifier"
    for task in (None, "masked-lm"):
        with pytest.raises(UsageError, match=r"set\.jsonl:1: correct is missing"):
            read_file(path, task=task)


def test_case_stays_as_written(write: Write) -> None:
    (example,) = read_file(
        write(jsonl(PAIR | {"sentence_good": "No cat", "sentence_bad": "Most cat"}))
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


def test_roles_follow_the_split_words(write: Write) -> None:
    record = MASKED | {
        "text": "the cat, [MASK] old",
        "roles": ["determiner", "subject", "target", "adjective"],
    }
    (example,) = read_file(write(jsonl(record))).examples
    assert example.instance.text == "the cat , [MASK] old ."
    assert example.roles == ("determiner", "subject", "punct", "target", "adjective", "punct")
    spaced = MASKED | {"text": "the cat, [MASK] old", "roles": "determiner subject target adjective"}
    assert read_file(write(jsonl(spaced))).examples[0] == example


def test_a_classifiers_text_stays_whole(write: Write) -> None:
    (example,) = read_file(write(jsonl({"text": " not  good.", "label": 0, "roles": ["a", "b"]}))).examples
    assert (example.instance.text, example.roles) == ("not good.", ("a", "b"))


# --- rows that cannot be used ---


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"text": "no target here ."}, "no [MASK] in the text; exactly one is needed"),
        ({"text": "[MASK] and [MASK] ."}, "2 [MASK] in the text; exactly one is needed"),
        ({"text": "the cat [MASK]s ."}, "[MASK] is part of the word '[MASK]s'; it must be a word by itself"),
        ({"text": "  "}, "text is empty"),
        ({"text": 3}, "text must be text, not 3"),
        ({"text": None}, "text is missing"),
        ({"text": "[CLS] a [MASK]"}, "text holds [CLS], which only the tokenizer adds; leave it out"),
        ({"text": "a \x1b[31m [MASK]"}, "text holds the unprintable character U+001B"),
        ({"text": "a \ud800 [MASK]"}, "text holds the unprintable character U+D800"),
        ({"correct": None}, "correct is missing"),
        ({"wrong": ""}, "wrong is empty"),
        ({"wrong": "is not"}, "wrong must be one word, not 'is not'"),
        ({"correct": "is", "wrong": "is"}, "correct and wrong are both 'is'"),
        ({"roles": ["a"]}, "1 roles for 9 whitespace words; one each is needed"),
        ({"roles": 3}, "roles must be a list of names, one a whitespace word"),
        ({"condition": ["x"]}, "condition must be text or a whole number, not ['x']"),
        ({"subtask": True}, "subtask must be text or a whole number, not True"),
    ],
)
def test_bad_masked_rows(write: Write, changes: Record, expected: str) -> None:
    assert reason(write, MASKED, **changes) == expected


@pytest.mark.parametrize("role", ["", "a b", "Δ", "seventeen_letters", "ends.", 3, None])
def test_bad_roles(write: Write, role: object) -> None:
    found = reason(write, MASKED, roles=[role] * 9)
    assert found.startswith(f"role {role!r} must be 1 to 16 printable ASCII characters")


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ("The cats sleep.", "good and bad differ in 0 words (none); exactly one word must differ"),
        ("The dog sleep.", None),
        (
            "The dog sleeps.",
            "good and bad differ in 2 words (cats/dog, sleep/sleeps); exactly one word must differ",
        ),
        ("The cats do sleep.", "good and bad have 4 and 5 words; exactly one word must differ"),
        ("The [MASK] sleep.", "a good or bad sentence must not hold [MASK]"),
        (None, "bad sentence is missing"),
    ],
)
def test_bad_pairs(write: Write, bad: str | None, expected: str | None) -> None:
    if expected is None:
        assert not read_file(write(jsonl(PAIR, PAIR | {"sentence_bad": bad}))).skipped
    else:
        assert reason(write, PAIR, sentence_bad=bad) == expected


@pytest.mark.parametrize(
    "label", ["", float("nan"), "positive", 0.5, -2, True, 1e300, float("inf"), [1], 2**40]
)
def test_bad_labels(write: Write, label: object) -> None:
    found = reason(write, LABELLED, sentence="another", label=label)
    missing = label == "" or label != label
    assert found == (
        "label is missing; give a class number, or -1 for a sentence without one"
        if missing
        else f"label {label!r} is no class number such as 0 or 1"
    )


def test_null_and_nan_labels_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    labels = pa.array([1.0, float("nan"), None, 0.0])
    pq.write_table(pa.table({"sentence": ["a", "b", "c", "d"], "label": labels}), path)
    dataset = read_file(path)
    assert [e.instance.label for e in dataset.examples] == [1, 0]
    assert [s.where for s in dataset.skipped] == ["t.parquet:2", "t.parquet:3"]
    assert all(text.startswith("label is missing") for text in reasons(dataset))


def test_repeated_rows_are_reported(write: Write) -> None:
    other = MASKED | {"id": "another name"}
    dataset = read_file(write(jsonl(MASKED, MASKED | {"correct": "were"}, other)))
    assert len(dataset.examples) == 2
    assert dataset.skipped == [Skipped("set.jsonl:3", "repeats row 1")]


def test_lines_that_are_not_json(write: Write) -> None:
    path = write(
        jsonl(MASKED) * 2 + '{"text": \n[1]\n"x"\n' + "[" * 100_000 + '\n{"label": ' + "9" * 5000 + "}\n"
    )
    assert reasons(read_file(path)) == [
        "repeats row 1",
        "not JSON: Expecting value at column 10; one object a line is needed",
        "a JSON array where an object is needed",
        "a JSON string where an object is needed",
        "not usable JSON: nested too deeply or a number too long",
        "not usable JSON: nested too deeply or a number too long",
    ]


def test_undecodable_bytes_spoil_their_line_only(write: Write) -> None:
    content = (
        jsonl(MASKED).encode() + b'{"text": "caf\xe9 [MASK]"}\n' + jsonl(MASKED | {"wrong": "was"}).encode()
    )
    dataset = read_file(write(content))
    assert len(dataset.examples) == 2
    expected = "byte 0xe9 at column 14 is not UTF-8; save the file as UTF-8"
    assert dataset.skipped == [Skipped("set.jsonl:2", expected)]


def test_wrong_number_of_columns(write: Write) -> None:
    lines = "a\tb\tit is\tit are\n" * 1 + "a\tb\tit was\n"
    (found,) = reasons(read_file(write("task\tcondition\tgood\tbad\n" + lines)))
    assert found == "3 tab-separated columns where 4 are needed: subtask, condition, good, bad"


def test_strict_stops_at_the_first_bad_row(write: Write) -> None:
    path = write(jsonl(MASKED, MASKED | {"text": "none"}, MASKED | {"text": ""}))
    with pytest.raises(UsageError, match=r"^set\.jsonl:2: no \[MASK\] in the text"):
        read_file(path, strict=True)


def test_limit_counts_usable_rows_evenly(write: Write) -> None:
    rows = [
        MASKED | {"text": f"{word} [MASK] .", "condition": condition}
        for condition, words in {"few": "ab", "many": "cdefghij"}.items()
        for word in words
    ]
    broken = [MASKED | {"text": f"{n} is bad", "condition": "few"} for n in range(6)]
    dataset = load(write(jsonl(*broken, *rows)), limit=6)
    assert Counter(e.instance.condition for e in dataset.examples) == {"few": 2, "many": 4}
    assert len(dataset.skipped) == 6


# --- files that are not what they claim ---


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", r"is empty; expected text, correct, wrong"),
        (" \n\r\n\n", r"is empty; expected"),
        (gzip.compress(b""), r"is empty; expected"),
        ("dear diary\n", r"line 1: found 'dear diary'; expected"),
        ("\n[\n" + jsonl(MASKED) + "]\n", r"is a JSON array; write one object a line"),
        (" [ " + json.dumps(MASKED) + "]", r"is a JSON array; write one object a line"),
        ("a sentence\t9\t0 1\t5 6 \n" * 3, r"line 1: found 'a sentence\\t9\\t0 1\\t5 6 '; expected"),
        (jsonl({"foo": 1, "idx": 2}), r"line 1: found id; expected"),
        (jsonl({"foo": 1}), r"line 1: found none of the known fields; expected"),
        ("{oops\n{oops\n", r"line 1: not JSON: .*; expected"),
        ("sentence\tlabel\n", r"is empty; expected"),
        (jsonl(MASKED).encode("utf-16"), r"is UTF-16 text; save it as UTF-8"),
        (b"PK\x03\x04\x00\x00", r"is a binary file that is not Parquet"),
        (b"PAR1 and then nothing", r"is a damaged Parquet file \(.*\); fetch or write it again"),
        (
            gzip.compress(jsonl(MASKED).encode() * 99)[:-20],
            r"is a damaged gzip file: it breaks off after line",
        ),
        (b"\x1f\x8bnonsense", r"is a damaged gzip file"),
        (jsonl(MASKED | {"text": "x"}), r"no usable row: 1 skipped, the first set\.jsonl:1: no \[MASK\]"),
    ],
)
def test_a_file_that_is_not_a_dataset(write: Write, content: str | bytes, expected: str) -> None:
    path = write(content)
    with pytest.raises(IpgraphError, match=expected) as caught:
        read_file(path)
    assert "\n" not in str(caught.value)
    assert "set.jsonl" in str(caught.value)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*none\.jsonl: No such file or directory"):
        load(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match=r"cannot read .*: Is a directory"):
        load(tmp_path)


def test_a_table_without_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"premise": ["a"], "label": [1]}), path)
    with pytest.raises(UsageError, match=r"t\.parquet has the columns 'premise', 'label'; expected"):
        read_file(path)
    pq.write_table(pa.table({"sentence": pa.array([], pa.string()), "label": pa.array([], pa.int64())}), path)
    with pytest.raises(UsageError, match="is empty"):
        read_file(path)


def test_a_model_of_the_other_task_is_refused(write: Write) -> None:
    with pytest.raises(UsageError, match="made for a classifier model, not for a masked-lm one"):
        load(write(jsonl(LABELLED)), task="masked-lm")


@pytest.mark.parametrize(
    ("file", "dataset"),
    [
        ("sva.tsv.gz", "sva"),
        ("v1.2.JSONL", "v1.2"),
        (".jsonl", ".jsonl"),
        ("plain", "plain"),
        ("a.gz.b", "a.gz.b"),
    ],
)
def test_the_dataset_is_named_after_the_file(tmp_path: Path, file: str, dataset: str) -> None:
    (tmp_path / file).write_text(jsonl(MASKED))
    assert read_file(tmp_path / file).name == dataset


# --- properties ---

WORD = st.text("abcdefgxyzéß'-", min_size=1, max_size=6).filter(lambda w: w != "-")
SENTENCE = st.lists(WORD, min_size=1, max_size=8)
ONE_FILE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def masked_records(draw: st.DrawFn) -> Record:
    words = draw(SENTENCE)
    words.insert(draw(st.integers(0, len(words))), "[MASK]")
    correct, wrong = draw(st.lists(WORD, min_size=2, max_size=2, unique=True))
    condition, name = draw(st.sampled_from(["", "sing", "plur"])), draw(WORD)
    return {
        "text": " ".join([*words, "."]),
        "correct": correct,
        "wrong": wrong,
        "condition": condition,
        "id": name,
    }


def distinct(records: Sequence[Record]) -> list[Record]:
    keys = ("text", "correct", "wrong", "condition")
    return list({tuple(record[key] for key in keys): record for record in records}.values())


def contents(examples: Sequence[Example]) -> list[Record]:
    names = {"id": "name"}
    keys = ("text", "correct", "wrong", "condition", "id")
    return [{key: getattr(e.instance, names.get(key, key)) for key in keys} for e in examples]


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
    dataset = read_file(path, strict=True)
    assert contents(dataset.examples) == records


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
            read_file(path)
        return
    (example,) = read_file(path).examples
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


LINES = st.one_of(
    st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")),
    masked_records().map(lambda r: json.dumps(r).encode()),
    st.sampled_from([b"a\tb\tit is\tit are", b"good\t1", b"sentence\tlabel", b"{}", b'{"text": "a [MASK]"}']),
)


@ONE_FILE
@given(lines=st.lists(LINES, max_size=12), zipped=st.booleans())
def test_any_bytes_give_rows_or_one_clear_error(tmp_path: Path, lines: list[bytes], zipped: bool) -> None:
    path = tmp_path / "fuzz"
    content = b"\n".join(lines)
    path.write_bytes(gzip.compress(content) if zipped else content)
    try:
        dataset = read_file(path)
    except IpgraphError as caught:
        error = str(caught)
    else:
        error = ""
    if error:
        assert str(path) in error
        return
    rows = sum(bool(line.removeprefix(b"\xef\xbb\xbf").strip()) for line in lines)
    used = len(dataset.examples) + len(dataset.skipped)
    assert rows - 1 <= used <= rows  # a header line is no row
    for example in dataset.examples:
        assert example.instance.text.split().count("[MASK]") == 1 or dataset.task == "classifier"


# --- the published files ---


def test_paper_tasks_are_read_whole() -> None:
    for path in sorted(shared("data", "paper_tasks").glob("*.jsonl")):
        dataset = read_file(path, strict=True)
        records = [json.loads(line) for line in path.read_text().splitlines()]
        assert contents(dataset.examples) == [
            {k: r[k] for k in ("text", "correct", "wrong", "condition", "id")} for r in records
        ]


def test_blimp_is_read_whole() -> None:
    for path in sorted(shared("data", "blimp").glob("*.jsonl")):
        dataset = read_file(path, strict=True)
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
    dataset = read_file(path, strict=True)
    assert len(dataset.examples) == len(lines) == 11_200
    found, expected = (
        {(e.instance.condition, e.instance.text, e.instance.correct, e.instance.wrong) for e in examples}
        for examples in (dataset.examples, read_file(shared("data", "paper_tasks", "sva-obj.jsonl")).examples)
    )
    assert len(expected) == 1000
    assert expected <= found


def test_another_tab_separated_file_is_refused() -> None:
    with pytest.raises(UsageError, match=r"refl\.3\.gz line 1: found 'some wizard who can dress"):
        read_file(shared("data", "refl.3.gz"))
