"""Every command and option says what it does, and docs/cli.md says the same."""

import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from support.cli_runs import invoke

from ipgraph.cli.app import app
from ipgraph.cli.option_groups import Extraction, Selection
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.methods.settings import BASELINES, QOIS, QUADRATURES
from ipgraph.extractor.models.files import DEMOS
from ipgraph.extractor.models.loading import DEVICES, DTYPES
from ipgraph.graphstore.schema.records import LEVELS

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
COMMAND = [sys.executable, "-m", "typer", "ipgraph.cli.app", "utils", "docs", "--name", "ipgraph"]


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield a command and all below it, by full name."""
    yield name, command
    if hasattr(command, "list_commands"):
        for below in command.list_commands(typer.Context(command)):
            yield from commands(command.get_command(typer.Context(command), below), f"{name} {below}")


ALL = dict(commands(typer.main.get_command(app), "ipgraph"))


@pytest.mark.parametrize("name", ALL)
def test_command_and_options_have_help(name: str) -> None:
    command = ALL[name]
    assert command.help
    assert command.help.strip()
    silent = [p.name for p in command.params if p.name != "help" and not getattr(p, "help", None)]
    assert silent == []


LEAVES = [name for name, command in ALL.items() if not hasattr(command, "list_commands")]


@pytest.mark.parametrize("name", LEAVES)
def test_the_terminal_alone_breaks_lines_of_help(name: str) -> None:
    assert all("\n" not in paragraph for paragraph in ALL[name].help.split("\n\n"))


@pytest.mark.parametrize("name", ALL)
def test_help_has_no_type_for_flags_and_no_long_lines(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = invoke(*name.split()[1:], "--help").stdout
    assert "bool" not in shown
    assert max(map(len, shown.split("\n"))) <= 80


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_has_examples_that_name_options_it_has(name: str) -> None:
    examples = [text.removeprefix("Example: ") for text in (ALL[name].epilog or "").split("\n\n")]
    options = {option for p in ALL[name].params for option in p.opts}
    for example in examples:
        words = shlex.split(example.replace("\\[", "["))
        assert " ".join(words).startswith(name)
        assert {word for word in words if word.startswith("-")} <= options


@pytest.mark.parametrize("name", LEAVES)
def test_tables_come_in_every_format(name: str) -> None:
    formats = [p for p in ALL[name].params if p.name == "output" and "--format" in p.opts]
    assert all([*p.type_descriptor.choices] == ["table", "json", "csv", "md", "latex"] for p in formats)
    assert formats or not name.endswith(("list", "overview", "run show", "info", "query run", "diff"))


@pytest.mark.parametrize("name", LEAVES)
def test_no_option_of_one_value_is_taken_twice(name: str) -> None:
    for p in ALL[name].params:
        if p.param_type_name == "option" and not (p.multiple or p.is_flag):
            for names in {(p.opts[0], p.opts[-1]), (p.opts[-1],) * 2}:
                twice = [word for option in names for word in (option, "1")]
                assert f"{p.opts[0]} is given twice" in invoke(*name.split()[1:], *twice, code=2).stderr


def test_the_commands_are_those_that_are_documented() -> None:
    titles = [line.split("`")[1] for line in DOCS.read_text().split("\n") if line.startswith("#")]
    assert titles == list(ALL)


def test_docs_are_what_the_commands_say() -> None:
    made = subprocess.run(COMMAND, capture_output=True, text=True, check=True).stdout
    assert made.strip() == DOCS.read_text().strip(), f"run: {' '.join(COMMAND[1:])} --output docs/cli.md"


@pytest.mark.parametrize(
    ("option", "valid"),
    [
        ("model", DEMOS),
        ("device", DEVICES),
        ("dtype", DTYPES),
        ("method", METHODS),
        ("level", (*LEVELS, "both")),
        ("qoi", QOIS),
        ("baseline", BASELINES),
        ("quadrature", QUADRATURES),
    ],
)
def test_help_names_every_choice(option: str, valid: Iterable[str]) -> None:
    (parameter,) = [p for p in ALL["ipgraph extract"].params if p.name == option]
    named = set(re.findall(r"[\w:-]+", parameter.help))
    assert set(valid) <= named


def test_options_of_extraction_are_those_of_extract_with_its_defaults() -> None:
    ours = {field.name: field.default for options in (Extraction, Selection) for field in fields(options)}
    theirs = {name: p.default for name, p in inspect.signature(extract).parameters.items()}
    assert {name: str(value) for name, value in ours.items()} == {
        name: str(value)
        for name, value in theirs.items()
        if name not in ("tokenizer", "dataset", "engine", "on_progress")
    }
