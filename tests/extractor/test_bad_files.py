"""Rows that cannot be used are reported with line and reason, files that are no dataset in one sentence."""

import csv
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.dataset_files import LABELLED, MASKED, ONE_FILE, PAIR, Record, jsonl, masked_records, write
from support.requirements import shared

from ipgraph.extractor.datasets import Dataset, load
from ipgraph.extractor.datasets.example import Skipped
from ipgraph.extractor.datasets.files import read_dataset
from ipgraph.graphstore.common.errors import IpgraphError, UsageError


def reasons(dataset: Dataset) -> list[str]:
    return [skipped.reason for skipped in dataset.skipped]


def reason(tmp_path: Path, good: Record, **changes: Any) -> str:
    """Return why a good record is skipped once these fields are changed (None removes one)."""
    record = {name: value for name, value in {**good, **changes}.items() if value is not None}
    dataset = read_dataset(write(tmp_path, jsonl(good, record)))
    assert [example.where for example in dataset.examples] == ["set.jsonl:1"]
    (skipped,) = dataset.skipped
    assert skipped.where == "set.jsonl:2"
    return skipped.reason


# --- rows that cannot be used ---


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"text": "no target here ."}, "the text has no [MASK]; it must have exactly one"),
        ({"text": "[MASK] and [MASK] ."}, "the text has 2 [MASK]; it must have exactly one"),
        ({"text": "the cat [MASK]s ."}, "[MASK] is part of the word '[MASK]s'; it must be a word of its own"),
        ({"text": "  "}, "text is empty"),
        ({"text": 3}, "text must be text, not 3"),
        ({"text": None}, "text is missing"),
        ({"text": "[CLS] a [MASK]"}, "text contains [CLS], which the tokenizer adds by itself; leave it out"),
        ({"text": "a \x1b[31m [MASK]"}, "text contains the unprintable character U+001B"),
        ({"text": "a \ud800 [MASK]"}, "text contains the unprintable character U+D800"),
        ({"correct": None}, "correct is missing"),
        ({"wrong": ""}, "wrong is empty"),
        ({"wrong": "is not"}, "wrong must be one word, not 'is not'"),
        ({"correct": "is", "wrong": "is"}, "correct and wrong are both 'is'"),
        ({"roles": ["a"]}, "there are 1 roles for 9 whitespace words; each word needs one"),
        ({"roles": 3}, "roles must be a list of names, one per whitespace word"),
        ({"condition": ["x"]}, "condition must be text or a whole number, not ['x']"),
        ({"subtask": True}, "subtask must be text or a whole number, not True"),
    ],
)
def test_bad_masked_rows(tmp_path: Path, changes: Record, expected: str) -> None:
    assert reason(tmp_path, MASKED, **changes) == expected


@pytest.mark.parametrize("role", ["", "a b", "Δ", "seventeen_letters", "ends.", 3, None])
def test_bad_roles(tmp_path: Path, role: object) -> None:
    found = reason(tmp_path, MASKED, roles=[role] * 9)
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
        ("The [MASK] sleep.", "a good or bad sentence must not contain [MASK]"),
        (None, "bad sentence is missing"),
    ],
)
def test_bad_pairs(tmp_path: Path, bad: str | None, expected: str | None) -> None:
    if expected is None:
        assert not read_dataset(write(tmp_path, jsonl(PAIR, PAIR | {"sentence_bad": bad}))).skipped
    else:
        assert reason(tmp_path, PAIR, sentence_bad=bad) == expected


@pytest.mark.parametrize(
    "label", ["", float("nan"), 0.5, "0.5", -2, 1e300, float("inf"), [1], 2**40, "a\x1b"]
)
def test_bad_labels(tmp_path: Path, label: object) -> None:
    found = reason(tmp_path, LABELLED, sentence="another", label=label)
    if label == "" or label != label:
        assert found == "label is missing; it must be a class, or -1 for a sentence without one"
    elif label == "a\x1b":
        assert found == "label contains the unprintable character U+001B"
    else:
        assert found == f"label {label!r} is not a class, such as 0, 1 or a name"


def test_null_and_nan_labels_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    labels = pa.array([1.0, float("nan"), None, 0.0])
    pq.write_table(pa.table({"sentence": ["a", "b", "c", "d"], "label": labels}), path)
    dataset = read_dataset(path)
    assert [e.instance.label for e in dataset.examples] == [1, 0]
    assert [s.where for s in dataset.skipped] == ["t.parquet:2", "t.parquet:3"]
    assert all(text.startswith("label is missing") for text in reasons(dataset))


def test_repeated_rows_are_reported(tmp_path: Path) -> None:
    other = MASKED | {"id": "another name"}
    dataset = read_dataset(write(tmp_path, jsonl(MASKED, MASKED | {"correct": "were"}, other)))
    assert len(dataset.examples) == 2
    assert dataset.skipped == [Skipped("set.jsonl:3", "repeats row 1")]


def test_lines_that_are_not_json(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        jsonl(MASKED) * 2 + '{"text": \n[1]\n"x"\n' + "[" * 100_000 + '\n{"label": ' + "9" * 5000 + "}\n",
    )
    assert reasons(read_dataset(path)) == [
        "repeats row 1",
        "not JSON: Expecting value at column 10; each line must be one object",
        "the line is a JSON array; it must be an object",
        "the line is a JSON string; it must be an object",
        "JSON that is nested too deeply or has a number that is too long",
        "JSON that is nested too deeply or has a number that is too long",
    ]


def test_undecodable_bytes_spoil_their_line_only(tmp_path: Path) -> None:
    content = (
        jsonl(MASKED).encode() + b'{"text": "caf\xe9 [MASK]"}\n' + jsonl(MASKED | {"wrong": "was"}).encode()
    )
    dataset = read_dataset(write(tmp_path, content))
    assert len(dataset.examples) == 2
    expected = "byte 0xe9 at column 14 is not UTF-8; save the file as UTF-8"
    assert dataset.skipped == [Skipped("set.jsonl:2", expected)]


def test_wrong_number_of_columns(tmp_path: Path) -> None:
    lines = "a\tb\tit is\tit are\n" * 1 + "a\tb\tit was\n"
    (found,) = reasons(read_dataset(write(tmp_path, "task\tcondition\tgood\tbad\n" + lines)))
    assert found == "found 3 columns; expected 4: 'task', 'condition', 'good', 'bad'"


def test_quotes_in_tab_separated_text_are_text_unless_the_first_lines_are_quoted(tmp_path: Path) -> None:
    rows = [("a plain film .", "1"), ('a "good" film', "1"), ('"quoted" whole', "0"), ('"whole"', "0")]
    path = tmp_path / "set.tsv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([("sentence", "label"), *rows])
    quoted = read_dataset(path)
    plain = "\n".join("\t".join(row) for row in (("sentence", "label"), *rows))
    for found in (quoted, read_dataset(write(tmp_path, plain))):
        assert [e.instance.text for e in found.examples] == [text for text, _ in rows]


def test_a_quoted_cell_beyond_the_first_lines_is_reported(tmp_path: Path) -> None:
    rows = [f"film {n}\t1\n" for n in range(30)]
    dataset = read_dataset(write(tmp_path, "sentence\tlabel\n" + "".join(rows) + '"a ""good"" film"\t1\n'))
    assert len(dataset.examples) == 30
    assert [row.where for row in dataset.skipped] == ["set.jsonl:32"]
    assert "sentence is quoted as in CSV, but the file's first lines are not" in dataset.skipped[0].reason


def test_strict_stops_at_the_first_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path, jsonl(MASKED, MASKED | {"text": "none"}, MASKED | {"text": ""}))
    with pytest.raises(UsageError, match=r"^set\.jsonl:2: the text has no \[MASK\]"):
        read_dataset(path, strict=True)


def test_limit_counts_usable_rows_evenly(tmp_path: Path) -> None:
    rows = [
        MASKED | {"text": f"{word} [MASK] .", "condition": condition}
        for condition, words in {"few": "ab", "many": "cdefghij"}.items()
        for word in words
    ]
    broken = [MASKED | {"text": f"{n} is bad", "condition": "few"} for n in range(6)]
    dataset = load(write(tmp_path, jsonl(*broken, *rows)), limit=6)
    assert Counter(e.instance.condition for e in dataset.examples) == {"few": 2, "many": 4}
    assert len(dataset.skipped) == 6


# --- files that are not what they claim ---


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", r"is empty; expected text with label"),
        (" \n\r\n\n", r"is empty; expected"),
        ("[]", r"is empty; expected"),
        (gzip.compress(b"", mtime=0), r"is empty; expected"),
        ("dear diary\n", r"line 1: found the columns 'dear diary'; expected"),
        (
            "[" + json.dumps(MASKED),
            r"is a damaged JSON array after element 1: the file ends instead of ',\]'",
        ),
        ("[{}, oops]", r"is a damaged JSON array after element 1: Expecting value"),
        ("[{}]]", r"is a damaged JSON array after element 1: there is more text after it"),
        (
            '[{"text": "' + "x" * 2**21,
            r"damaged JSON array after element 0: .*longer than 1,048,576 characters",
        ),
        ("a sentence\t9\t0 1\t5 6 \n" * 3, r"line 1: found the columns 'a sentence', '9', '0 1', '5 6'; exp"),
        (jsonl({"foo": 1, "idx": 2}), r"row 1: found the columns 'foo', 'idx'; expected"),
        ("{oops\n{oops\n", r"row 1: not JSON: .*; expected"),
        ("sentence\tlabel\n", r"is empty; expected"),
        ("sentence\tlabel\rgood .\t1\rbad .\t0\r", r"ends its lines with CR alone; save it"),
        (jsonl(MASKED).encode("utf-16"), r"is UTF-16 text; save it as UTF-8"),
        (b"PK\x03\x04\x00\x00", r"is a binary file that is neither Parquet nor Arrow"),
        (b"PAR1 and then nothing", r"is a damaged Parquet file \(.*\); download or write it again"),
        (b"ARROW1 and then nothing", r"is a damaged Arrow file \(.*\); download or write it again"),
        (gzip.compress(jsonl(MASKED).encode() * 99, mtime=0)[:-20], r"is a damaged gzip file; download"),
        (b"\x1f\x8bnonsense", r"is a damaged gzip file"),
        (
            jsonl(MASKED | {"text": "x"}, MASKED | {"text": "x [MASK] [MASK]"}, MASKED | {"wrong": ""}),
            r"no usable row: 2 x the text has … \[MASK\]; it must have exactly one \(set\.jsonl:1: the text "
            r"has no \[MASK\].*\); 1 x wrong is empty \(set\.jsonl:3\)$",
        ),
    ],
)
def test_a_file_that_is_not_a_dataset(tmp_path: Path, content: str | bytes, expected: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(IpgraphError, match=expected) as caught:
        read_dataset(path)
    assert "\n" not in str(caught.value)
    assert "set.jsonl" in str(caught.value)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.jsonl could not be read: No such file or directory"):
        load(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match=r"is a folder without a dataset that `save_to_disk` wrote"):
        load(tmp_path)


def test_a_table_without_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"premise": ["a"], "label": [1]}), path)
    with pytest.raises(UsageError, match=r"t\.parquet: found the columns 'premise', 'label'; expected"):
        read_dataset(path)
    pq.write_table(pa.table({"sentence": pa.array([], pa.string()), "label": pa.array([], pa.int64())}), path)
    with pytest.raises(UsageError, match="is empty"):
        read_dataset(path)


def test_a_model_of_the_other_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a classifier model; this is a masked-lm model"):
        load(write(tmp_path, jsonl(LABELLED)), task="masked-lm")


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
    assert read_dataset(tmp_path / file).name == dataset


LINES = st.one_of(
    st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")),
    masked_records().map(lambda r: json.dumps(r).encode()),
    st.sampled_from([b"a\tb\tit is\tit are", b"good\t1", b"sentence\tlabel", b"{}", b'{"text": "a [MASK]"}']),
)


@ONE_FILE
@given(lines=st.lists(LINES, max_size=12), zipped=st.booleans())
@example(lines=[b"", b"\r\x01"], zipped=False)
def test_any_bytes_give_rows_or_one_clear_error(tmp_path: Path, lines: list[bytes], zipped: bool) -> None:
    path = tmp_path / "fuzz"
    content = b"\n".join(lines)
    path.write_bytes(gzip.compress(content) if zipped else content)
    try:
        dataset = read_dataset(path)
    except IpgraphError as caught:
        error = str(caught)
    else:
        error = ""
    if error:
        assert str(path) in error
        return
    first = [line.removeprefix(b"\xef\xbb\xbf") for line in lines[:1]]  # a byte order mark, there alone
    rows = sum(bool(line.strip()) for line in first + lines[1:])
    used = len(dataset.examples) + len(dataset.skipped)
    assert rows - 1 <= used <= rows  # a header line is no row
    for one in dataset.examples:
        assert one.instance.text.split().count("[MASK]") == 1 or dataset.task == "classifier"


def test_another_tab_separated_file_is_refused() -> None:
    with pytest.raises(UsageError, match=r"refl\.3\.gz line 1: found the columns 'some wizard who can dress"):
        read_dataset(shared("data", "refl.3.gz"))
