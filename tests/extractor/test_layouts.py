"""CSV, JSON arrays, Arrow, folders of `datasets`, the hub and objects in memory give the same examples."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dataset_files import ONE_FILE, Record

from ipgraph.extractor.datasets import Dataset, load
from ipgraph.graphstore.common.errors import UsageError

FILMS: list[Record] = [
    {"Review": 'a "charming", warm film', "second": "all say\nso", "Labels": "positive", "idx": 4},
    {"Review": "dull; too long", "second": "a\tb", "Labels": "negative", "idx": 5},
]
EXPECTED = [
    ('a "charming", warm film', "all say so", -1, "positive", "4"),
    ("dull; too long", "a b", -1, "negative", "5"),
]


def read(dataset: Dataset) -> list[tuple[object, ...]]:
    instances = [example.instance for example in dataset.examples]
    return [(i.text, i.second, i.label, i.label_name, i.name) for i in instances]


def csv_text(rows: list[Record], separator: str = ",") -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def save(rows: list[Record], folder: Path) -> Path:
    datasets.Dataset.from_list(rows).save_to_disk(folder)
    return folder


def arrow_file(rows: list[Record], path: Path) -> Path:
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    return path


def written(text: str, path: Path) -> Path:
    path.write_text(text, newline="")
    return path


def parquet_file(rows: list[Record], path: Path) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def pandas_csv(rows: list[Record], path: Path) -> Path:
    pd.DataFrame(rows).to_csv(path)
    return path


SOURCES: dict[str, Callable[[list[Record], Path], Any]] = {
    "csv": lambda rows, path: written(csv_text(rows), path),
    "semicolons": lambda rows, path: written(csv_text(rows, ";"), path),
    "pandas csv": pandas_csv,
    "json lines": lambda rows, path: written("\n".join(map(json.dumps, rows)), path),
    "json array": lambda rows, path: written(json.dumps(rows), path),
    "pretty json": lambda rows, path: written("\ufeff\n" + json.dumps(rows, indent=2), path),
    "parquet": parquet_file,
    "arrow": arrow_file,
    "save_to_disk": save,
    "list": lambda rows, _: rows,
    "tuples": lambda rows, _: tuple(rows),
    "pandas": lambda rows, _: pd.DataFrame(rows),
    "table": lambda rows, _: pa.Table.from_pylist(rows),
    "datasets": lambda rows, _: datasets.Dataset.from_list(rows),
    "selected": lambda rows, _: datasets.Dataset.from_list([rows[0], *rows]).select(range(1, len(rows) + 1)),
    "streamed": lambda rows, _: datasets.Dataset.from_list(rows).to_iterable_dataset(),
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_examples(tmp_path: Path, source: str) -> None:
    dataset = load(SOURCES[source](FILMS, tmp_path / "films"), name="films")
    assert read(dataset) == EXPECTED
    ids = [example.instance.id for example in load(FILMS, name="films").examples]
    assert [example.instance.id for example in dataset.examples] == ids
    assert dataset.read == {"text": "Review", "second": "second", "label": "Labels", "id": "idx"}


TEXT = st.text("ab é\"',;\n", min_size=1).map(lambda t: f"x {t}")
ROWS = st.lists(
    st.fixed_dictionaries({"Text": TEXT, "TARGET": st.sampled_from(["0", "1", "-1", "good", "true"])}),
    min_size=1,
    max_size=8,
    unique_by=lambda row: (" ".join(row["Text"].split()), row["TARGET"].replace("true", "1")),
)


@ONE_FILE
@given(rows=ROWS, source=st.sampled_from([name for name in SOURCES if name != "save_to_disk"]))
def test_any_text_comes_back_from_every_source(tmp_path: Path, rows: list[Record], source: str) -> None:
    dataset = load(SOURCES[source](rows, tmp_path / "any"), strict=True)
    numbers = {"0": (0, ""), "1": (1, ""), "-1": (-1, ""), "good": (-1, "good"), "true": (1, "")}
    expected = [(" ".join(row["Text"].split()), *numbers[row["TARGET"]]) for row in rows]
    assert [row[:1] + row[2:4] for row in read(dataset)] == expected


# --- labels ---


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (1, (1, "")),
        ("1", (1, "")),
        (1.0, (1, "")),
        (True, (1, "")),
        (False, (0, "")),
        ("False", (0, "")),
        (" true ", (1, "")),
        ("not entailed", (-1, "not entailed")),
        ("1_0", (-1, "1_0")),
        (-1, (-1, "")),
    ],
)
def test_labels(label: object, expected: tuple[int, str]) -> None:
    (example,) = load([{"text": "a", "label": label}]).examples
    assert (example.instance.label, example.instance.label_name) == expected


def classes(names: list[str]) -> datasets.Dataset:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    )
    return datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)


def test_names_of_classes_come_from_the_features(tmp_path: Path) -> None:
    data = classes(["neg", "pos"])
    data.save_to_disk(tmp_path / "saved")
    data.to_parquet(tmp_path / "a.parquet")
    for source in (data, tmp_path / "saved", tmp_path / "a.parquet", data.select([0, 1])):
        assert [row[2:4] for row in read(load(source))] == [(1, "pos"), (0, "neg")]
    assert [row[2:4] for row in read(load(classes(["1", "2"])))] == [(1, ""), (0, "")]


# --- columns ---

GLUE = {
    "MRPC": ("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", '1\t7\t8\tHe said "no.\tShe left .'),
    "RTE": ("index\tsentence1\tsentence2\tlabel", "0\tNo one left .\tSome left .\tnot_entailment"),
    "WNLI": ("index\tsentence1\tsentence2\tlabel", "0\tNo one left .\tSome left .\t1"),
    "QNLI": ("index\tquestion\tsentence\tlabel", "0\tWho left ?\tNo one left .\tentailment"),
    "QQP": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
        "5\t1\t2\tWho left ?\tWho went ?\t1",
    ),
    "MNLI": (
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
        "sentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label",
        "0\t31\t31n\ttravel\t( a )\t( b )\t(X a)\t(X b)\tIt left .\tIt went .\tneutral\tneutral",
    ),
    "STS-B": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
        "0\tnews\tf\t2012\t1\tnone\tnone\tA plane left .\tA plane went .\t4.5",
    ),
}
GLUE_READ = {
    "MRPC": ('He said "no.', "She left .", 1, ""),
    "RTE": ("No one left .", "Some left .", -1, "not_entailment"),
    "WNLI": ("No one left .", "Some left .", 1, ""),
    "QNLI": ("Who left ?", "No one left .", -1, "entailment"),
    "QQP": ("Who left ?", "Who went ?", 1, ""),
    "MNLI": ("It left .", "It went .", -1, "neutral"),
    "STS-B": ("A plane left .", "A plane went .", -1, ""),
}


@pytest.mark.parametrize("task", GLUE)
def test_glue_pairs_are_read_by_their_headers(tmp_path: Path, task: str) -> None:
    header, row = GLUE[task]
    dataset = load(written(f"{header}\n{row}\n", tmp_path / "dev.tsv"))
    assert read(dataset)[0][:4] == GLUE_READ[task]
    assert {*dataset.read.values(), *dataset.unread} == set(header.split("\t"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("premise\thypothesis", ("premise", "hypothesis")),
        ("Text A\ttext_pair\ttext", ("text", "text_pair")),
        ("sentence_A\tsentence_B", ("sentence_A", "sentence_B")),
        ("text1\ttext2", ("text1", "text2")),
    ],
)
def test_pairs_of_columns(tmp_path: Path, names: str, expected: tuple[str, str]) -> None:
    values = [f"word {n}" for n, _ in enumerate(names.split("\t"))]
    dataset = load(written(f"{names}\n" + "\t".join(values) + "\n", tmp_path / "a.tsv"))
    assert (dataset.read["text"], dataset.read["second"]) == expected


@pytest.mark.parametrize("source", SOURCES)
def test_columns_that_are_not_read_are_named(tmp_path: Path, source: str) -> None:
    rows = [{"Sentence": "a", "TEXT": "b", "class": 1, "target": 0, "length": 3}]
    dataset = load(SOURCES[source](rows, tmp_path / "set"))
    assert read(dataset)[0][:4] == ("b", "", 0, "")
    unnamed = {"(column 1)": ""} if source == "pandas csv" else {}
    assert dataset.unread == unnamed | {
        "Sentence": "means the same as 'TEXT'",
        "class": "means the same as 'target'",
        "length": "",
    }


def test_columns_of_another_kind_are_not_read() -> None:
    row = {"text": "a [MASK]", "correct": "b", "wrong": "c", "label": 1}
    dataset = load([row])
    assert dataset.read == {"text": "text", "correct": "correct", "wrong": "wrong"}
    assert dataset.unread == {"label": "not part of a masked text"}


@pytest.mark.parametrize("source", SOURCES)
def test_columns_can_be_given(tmp_path: Path, source: str) -> None:
    rows = [{"text": "url", "Body": "good film", "label": 3.5, "question": "a", "sentence": "b"}]
    dataset = load(SOURCES[source](rows, tmp_path / "set"), columns={"text": "body", "label": ""})
    assert read(dataset)[0][:4] == ("good film", "", -1, "")
    assert {"text", "label", "question", "sentence"} <= set(dataset.unread)


def test_given_columns_must_be_there(tmp_path: Path) -> None:
    path = written("a,b\n1,2\n", tmp_path / "t.csv")
    with pytest.raises(UsageError, match=r"unknown field 'txt'; valid, nearest first: text"):
        load(path, columns={"txt": "a"})
    with pytest.raises(UsageError, match=r"t\.csv has no column 'c' for label; it has 'a', 'b'"):
        load(path, columns={"text": "a", "label": "c"})
    rows = [{"text": "good film", "label": 1}]
    for kind, source in SOURCES.items():
        with pytest.raises(UsageError, match=r"has no column 'Body' for text; it has .*'text', 'label'"):
            load(source(rows, tmp_path / kind), columns={"text": "Body"})
    with pytest.raises(
        UsageError, match=r"line 1: found the columns 'a', 'b'; expected .* such as text=COLU"
    ):
        load(path)


@pytest.mark.parametrize(
    "content",
    [
        "id\tfirst part\tsecond part\tverdict\n" + "1\tit is here\tit was here\tyes\n" * 3,
        "name\tscore\nfilm\t3\nother\t4\n",
        "Title;Body\na;b\n",
        "0\t1\ngood film\t1\nbad film\t0\n",
    ],
)
def test_a_layout_is_not_guessed_against_its_header(tmp_path: Path, content: str) -> None:
    with pytest.raises(UsageError, match="line 1: found the columns"):
        load(written(content, tmp_path / "a.txt"))


# --- names, roles ---


def test_roles_for_all_rows_and_a_name(tmp_path: Path) -> None:
    rows = [
        {"text": "the cat sleeps", "label": 1, "roles": ["a", "b", "c"]},
        {"text": "a dog barks", "label": 1, "roles": None},
        {"text": "it rains", "label": 0, "roles": None},
    ]
    dataset = load(parquet_file(rows, tmp_path / "x.parquet"), roles="determiner subject verb", name="my set")
    assert [e.roles for e in dataset.examples] == [("a", "b", "c"), ("determiner", "subject", "verb")]
    assert [str(row.reason) for row in dataset.skipped] == [
        "there are 3 roles for 2 whitespace words; each word needs one"
    ]
    assert dataset.name == "my set"
    assert dataset.examples[0].instance.id.startswith("my set:")


@pytest.mark.parametrize("name", ["a/b", "x" * 101, "a\x1b[0m", " a", "a:b", "a\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(UsageError, match="must be 1 to 100 letters"):
        load([{"text": "a"}], name=name)


def test_what_a_built_in_dataset_does_not_take() -> None:
    for more in ({"name": "a"}, {"roles": "a"}, {"columns": {"text": "a"}}):
        with pytest.raises(
            UsageError, match="sva-obj is a built-in dataset; its name, roles and columns are"
        ):
            load("sva-obj", **more)
    with pytest.raises(UsageError, match=r"role 'ends\.' must be 1 to 16 printable"):
        load([{"text": "a"}], roles="ends.")
