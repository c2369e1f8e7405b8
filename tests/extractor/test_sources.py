"""Sources that break their rules, are too large, are no files, or come from the hub."""

import gzip
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ipgraph.extractor.datasets import load
from ipgraph.extractor.datasets.example import Skipped, reasons
from ipgraph.extractor.datasets.layouts import hub
from ipgraph.extractor.datasets.rows import LONGEST_LINE
from ipgraph.graphstore.common.errors import IpgraphError, UsageError


def written(folder: Path, content: str | bytes, name: str = "set.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# --- CSV ---


def test_records_of_several_lines_keep_their_line_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, 'text,label\r\n"one\r\n\r\ntwo",1\r\n\r\n"say ""three""",0\r\n')
    assert [(e.instance.text, e.where) for e in load(path).examples] == [
        ("one two", "set.csv:2"),
        ('say "three"', "set.csv:6"),
    ]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (
            '"never closed,1',
            "has a quoted cell that goes on to line 1002, and there: breaks the rules of CSV",
        ),
        ('"a" b,1', "breaks the rules of CSV: ',' expected after '\"'"),
        ("a,b,1", "found 3 columns; expected 2: 'text', 'label'"),
        ("caf\udce9,1", "byte 0xe9 at column 4 is not UTF-8"),
        ("x" * 200_000 + ",1", "breaks the rules of CSV: field larger than field limit"),
    ],
)
def test_a_broken_record_spoils_its_line_only(tmp_path: Path, broken: str, reason: str) -> None:
    rows = [f"film {n},1" for n in range(1000)]
    lines = ["text,label", broken, *rows]
    path = written(tmp_path, "\n".join(lines).encode(errors="surrogateescape"))
    dataset = load(path)
    assert [e.instance.text for e in dataset.examples] == [f"film {n}" for n in range(1000)]
    assert [row.where for row in dataset.skipped] == ["set.csv:2"]
    assert dataset.skipped[0].reason.startswith(reason)


def test_one_column_follows_the_name_of_the_file(tmp_path: Path) -> None:
    content = 'text\n"a, b"\n'
    assert load(written(tmp_path, content)).examples[0].instance.text == "a, b"
    assert load(written(tmp_path, content, "set.txt")).examples[0].instance.text == '"a, b"'


# --- sizes ---


@pytest.mark.parametrize(
    ("head", "last"),
    [("text,label\n", "good film,1\n"), ("text\tlabel\n", "good film\t1\n"), ("", '{"text": "good film"}\n')],
)
def test_a_line_beyond_all_measure_is_a_bad_row(tmp_path: Path, head: str, last: str) -> None:
    content = head.encode() + b"x" * (LONGEST_LINE + 5) + b"\n" + last.encode() * 1
    for path in (written(tmp_path, content), written(tmp_path, gzip.compress(content), "set.gz")):
        dataset = load(path)
        assert [e.instance.text for e in dataset.examples] == ["good film"]
        assert [row.reason for row in dataset.skipped] == ["the line is longer than 1,048,576 bytes"]


def test_a_line_that_inflates_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"text\tlabel\n")
        for _ in range(300):
            file.write(b"x" * 2**20)
        file.write(b"\ngood film\t1\n")
    tracemalloc.start()
    dataset = load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 * 2**20  # the line has 300 MiB
    assert (len(dataset.examples), len(dataset.skipped)) == (1, 1)


def test_a_text_of_a_table_has_a_limit_too() -> None:
    dataset = load(pa.table({"text": ["a", "b" * (LONGEST_LINE + 1)]}))
    assert [row.reason for row in dataset.skipped] == ["text is longer than 1,048,576 characters"]


# --- what is not a file ---


def test_what_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(UsageError, match="is not a regular file; save the dataset as a file first"):
            load(path)


def test_folders(tmp_path: Path) -> None:
    train = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
    datasets.DatasetDict({"train": train, "test": train}).save_to_disk(tmp_path / "films")
    with pytest.raises(UsageError, match=r"films holds several splits; give one of .*films/train, "):
        load(tmp_path / "films")
    dataset = load(tmp_path / "films" / "train")
    assert (dataset.name, len(dataset.examples), dataset.examples[0].where) == (
        "films-train",
        2,
        "films-train:1",
    )
    with pytest.raises(UsageError, match=r"is a folder without a dataset that `save_to_disk` wrote"):
        load(tmp_path)


@pytest.mark.parametrize(
    "state",
    [
        "{",
        "[]",
        '{"_data_files": []}',
        '{"_data_files": [{"filename": "../a.arrow"}]}',
        '{"_data_files": [{"filename": 3}]}',
        '{"_data_files": [{"filename": "pipe"}]}',
        '{"_data_files": [{"filename": "link"}]}',
        '{"_data_files": [{"filename": "missing"}]}',
    ],
)
def test_damaged_folders(tmp_path: Path, state: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(written(tmp_path, "text\na\n"))
    (folder / "state.json").write_text(state)
    with pytest.raises(UsageError, match=r"save the dataset again$"):
        load(folder)


def test_truncated_arrow_files(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"text": ["a film"] * 5000}).save_to_disk(tmp_path / "set")
    (path,) = (tmp_path / "set").glob("*.arrow")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(IpgraphError, match=r"is a damaged Arrow file"):
        load(tmp_path / "set")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (3, "a int is not a dataset"),
        ({"train": [], "test": []}, r"give one of its parts \(train, test\), or a list of dicts"),
        ([], "the dataset is empty"),
        ([["a"]], "row 1: the row is .* must be a dict"),
        (pa.table({"a": [1]}), "found the columns 'a'"),
        (pd.Series(["a film"]), "a Series is not a table of columns that Arrow can hold"),
        (pd.DataFrame({"text": ["a", 1], "label": 1}), "a DataFrame is not a table of columns"),
    ],
)
def test_objects_that_are_no_dataset(data: Any, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        load(data)


def test_values_that_are_not_single_spoil_their_row_only() -> None:
    dataset = load(
        [
            {"text": "a film", "label": np.int64(1)},
            {"text": np.array(["a", "film"]), "label": 1},
            {"text": "two classes", "label": np.array([0, 1])},
            {"text": "an array", "label": 1, "id": np.array([1, 2])},
            {"text": "no class", "label": pd.NA},
            {"text": "two words", "label": 1, "roles": np.array(["noun", "verb"])},
        ]
    )
    assert [(e.instance.text, e.roles) for e in dataset.examples] == [
        ("a film", ()),
        ("two words", ("noun", "verb")),
    ]
    assert [row.reason.split(",")[0].split("(")[0] for row in dataset.skipped] == [
        "text must be text",
        "label [0",
        "id must be text or a whole number",
        "label is missing; it must be a class",
    ]


# --- the hub ---


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset `me/films` of two splits in the cache of `datasets`, which is offline."""
    folder = tmp_path / "me___films" / "default" / "0.0.0" / "abc"
    folder.mkdir(parents=True)
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["n", "p"])}
    )
    splits = datasets.SplitDict()
    for split in ("train", "test"):
        table = datasets.Dataset.from_dict({"text": [f"{split} film"], "label": [1]}, features).data.table
        with pa.ipc.new_stream(folder / f"films-{split}.arrow", table.schema) as writer:
            writer.write_table(table)
        splits[split] = datasets.SplitInfo(split, num_bytes=9, num_examples=1, dataset_name="films")
    datasets.DatasetInfo(
        features=features,
        builder_name="parquet",
        dataset_name="films",
        config_name="default",
        version="0.0.0",
        splits=splits,
    ).write_to_directory(str(folder))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("cached")
def test_a_dataset_of_the_hub() -> None:
    dataset = load("hub:me/films@test")
    (example,) = dataset.examples
    assert (dataset.name, example.where) == ("films-test", "films-test:1")
    assert (example.instance.text, example.instance.label, example.instance.label_name) == (
        "test film",
        1,
        "p",
    )
    assert load("hub:me/films/default@train").name == "films-default-train"
    with pytest.raises(UsageError, match=r"several splits; give one of hub:me/films@t\w+, hub:me/films@t"):
        load("hub:me/films")
    for wrong in ("hub:me/films@dev", "hub:me/nothing", "hub:me/films/other@test"):
        with pytest.raises(UsageError, match=f"{wrong} could not be loaded: ."):
            load(wrong)


@pytest.mark.parametrize("address", ["hub:", "hub:a/b/c/d", "hub:../x y", "hub:a@"])
def test_an_address_has_a_form(address: str) -> None:
    with pytest.raises(UsageError, match="does not have the form hub:OWNER/NAME"):
        hub.hub_dataset(address)


# --- reasons ---


def test_reasons_are_grouped_without_their_values() -> None:
    rows = [
        Skipped("a:1", "label 'x' is bad", "label … is bad"),
        Skipped("a:2", "text is empty", "text is empty"),
        Skipped("a:3", "label 'y' is bad", "label … is bad"),
        Skipped("a:4", "from elsewhere"),
    ]
    assert list(map(str, reasons(rows))) == [
        "2 x label … is bad (a:1: label 'x' is bad)",
        "1 x text is empty (a:2)",
        "1 x from elsewhere (a:4)",
    ]


def test_rows_of_one_fault_are_one_reason(tmp_path: Path) -> None:
    good = {"good": "the cat sleeps", "bad": "the cat sleep"}
    rows = [good, good | {"bad": "the cat"}, good | {"bad": "a"}, good | {"bad": "a dog sleeps"}, good]
    path = written(tmp_path, "\n".join(map(json.dumps, rows)))
    assert [(r.count, r.first.where) for r in reasons(load(path).skipped)] == [
        (2, "set.csv:2"),
        (1, "set.csv:4"),
        (1, "set.csv:5"),
    ]
