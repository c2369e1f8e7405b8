"""What a user meets when something goes wrong: one message on stderr, an exit code, no traceback."""

import errno
import json
import signal
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from support.cli_runs import COMMAND, Folder, call, environment, folder, invoke, on_terminal, shared_folder
from typer.testing import CliRunner

from ipgraph.cli.app import Guarded
from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.runs.directory import RunDirectory

__all__ = ["folder", "shared_folder"]
FAST = ("--n-steps", "2", "--level", "embedding")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("no [such] thing"), 2, "error: no [such] thing\n"),
        (IpgraphError("x" * 300), 1, f"error: {'x' * 300}\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/r1"),
            1,
            "No space left on device: 'runs/r1'",
        ),
        (KeyboardInterrupt("interrupted; say it again"), 130, "error: interrupted; say it again\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
    ],
)
def test_every_error_becomes_a_message_and_an_exit_code(
    error: BaseException, code: int, message: str
) -> None:
    app = typer.Typer(cls=Guarded)

    @app.command("run")
    def fail() -> None:
        raise error

    @app.command("show")
    def other() -> None:
        pass

    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""


def test_an_error_of_ours_alone_keeps_its_traceback() -> None:
    app = typer.Typer(cls=Guarded)

    @app.command("run")
    def fail() -> None:
        raise ZeroDivisionError

    @app.command("show")
    def other() -> None:
        pass

    assert isinstance(CliRunner().invoke(app, ["run"]).exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nonsense",), 2, "unknown command 'nonsense' of ipgraph; valid, nearest first: "),
        (("ingest", "dataset"), 2, "missing argument 'NAME|FILE'; `ipgraph ingest dataset --help`"),
        (("ingest", "dataset", "sva-ob"), 2, "unknown dataset 'sva-ob'; valid, nearest first: sva-obj"),
        (
            ("ingest", "dataset", "sva-obj", "--method", "gprs"),
            2,
            "unknown method 'gprs'; valid, nearest first: gpr",
        ),
        (("ingest", "dataset", "sva-obj", "--batch-size", "none"), 2, "'auto'"),
        (("ingest", "dataset", "empty.jsonl"), 2, "empty"),
        (("ingest", "dataset", "bad.jsonl"), 2, "bad.jsonl"),
        (("ingest", "dataset", "mixed.jsonl", "--strict", *FAST), 2, "mixed.jsonl:2: the text has no [MASK]"),
        (
            ("ingest", "text", "the author [MASK] old .", "--correct", "is"),
            2,
            "--wrong is missing: pass --wrong WORD",
        ),
        (("ingest", "text", "the zebras [MASK] old .", "--correct", "is", "--wrong", "are"), 2, "'zebras'"),
        (("ingest", "run", "nowhere"), 2, "there is no run 'nowhere' in runs: it has no runs"),
        (("extract", "sva-obj", "--limit", "0"), 2, "limit"),
        (("show", "nothing"), 2, "ipgraph.db; make one by `ipgraph ingest dataset sva-obj`"),
        (("report", "nonsense"), 2, "nonsense"),
        (("ingest", "sva-obj"), 2, "use `ipgraph ingest dataset NAME|FILE` for a dataset"),
        (
            ("ingest", "datset", "sva-obj"),
            2,
            "unknown command 'datset' of ipgraph ingest; valid, nearest first: dataset, ",
        ),
        (("store", "info", "--store", "empty.jsonl"), 2, "empty.jsonl"),
        (("ingest", "text", "the author [MASK] old ."), 2, "--correct is missing: pass --correct WORD"),
        (("run", "list", "--formt", "json"), 2, "unknown option '--formt'; valid, nearest first: --format,"),
        (("run", "list", "--format", "jsn"), 2, "for '--format': 'jsn' is not one of 'table', 'json', "),
        (("run", "list", "--store", "a", "--store", "b"), 2, "--store is given twice; it takes one value"),
        (("draw", "x", "-o", "a.svg", "--output", "b.svg"), 2, "--output is given twice"),
        (("evaluate", "zzz"), 2, "unknown dataset or run 'zzz'"),
        (("query", "run", "skip-shar"), 2, "unknown query 'skip-shar'; valid, nearest first: skip-share"),
        (
            ("report", "overvew"),
            2,
            "'overvew' of ipgraph report; valid, nearest first: overview",
        ),
        (("--nonsense",), 2, "unknown option '--nonsense'; valid, nearest first: --ver"),
        (("show", "x", "--store", "a b.db"), 2, "`ipgraph ingest dataset sva-obj --store 'a b.db'`"),
    ],
)
def test_bad_input(
    arguments: tuple[str, ...], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPGRAPH_STORE", raising=False)
    good = '{"text": "the driver [MASK] old .", "correct": "is", "wrong": "are"}\n'
    Path("empty.jsonl").write_text("")
    Path("bad.jsonl").write_bytes(b"\x00\x01\x02")
    Path("mixed.jsonl").write_text(good + '{"text": "the old .", "correct": "is", "wrong": "are"}\n')
    result = invoke(*arguments, code=code)
    assert message in result.stderr
    assert (result.stderr.startswith("error: "), result.stderr.count("\n")) == (True, 1)


def refusals(address: str) -> list[str]:
    """Return what is said to reading from and writing to a store that is refused, and makes no file."""
    commands = (("run", "list"), ("ingest", "dataset", "sva-obj", *FAST))
    said = [invoke(*arguments, "--store", address, code=2).stderr for arguments in commands]
    assert list(Path.cwd().iterdir()) == []
    return said


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "bolt:/127.0.0.1:7687", "neo4js://h:7687", "file:///x.db"]
)
def test_an_address_of_another_kind_is_not_a_file_either(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for error in refusals(address):
        assert error.startswith(
            f"error: no store is at an address that begins with {address.partition(':')[0]}:/;"
        )
        assert "bolt://, bolt+s://" in error


@pytest.mark.parametrize("address", ["localhost:7687", "127.0.0.1:7687", "bolt:h:7687", "neo4j+ssc:h"])
def test_the_address_of_a_server_without_its_scheme_is_not_a_file(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for error in refusals(address):
        assert "looks like a server's address, which begins with bolt:// or neo4j://" in error
    assert invoke("run", "list", "--store", f"./{address}").exit_code == 0


def test_a_dataset_without_a_usable_row_says_how_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"the zzyzx{n} [MASK] old .", "correct": "is", "wrong": "are"} for n in range(5)]
    Path("bad.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    error = invoke("extract", "bad.jsonl", *FAST, code=2).stderr
    assert "5 x not in the model's vocabulary" in error
    assert error.count("bad.jsonl:") == 1
    assert "bad.jsonl:1: not in the model's vocabulary: 'zzyzx0'" in error


def test_an_unknown_model_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    arguments = ("ingest", "dataset", "sva-obj", "--model", "no/such")
    done = call(*arguments, cwd=tmp_path, env={"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: model 'no/such' is not a demo model (demo, demo-gpt2, demo-sentiment, demo-modernbert)"
    )
    assert done.stderr.count("\n") == 1


def test_rows_that_were_skipped_are_counted_with_their_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = '{"text": "the driver [MASK] old .", "correct": "is", "wrong": "are"}\n'
    bad = '{"text": "the old .", "correct": "is", "wrong": "are"}\n'
    Path("mixed.jsonl").write_text(good + bad)
    out = invoke("extract", "mixed.jsonl", *FAST).stdout
    assert "sentences     1," in out
    assert "skipped       1 row " in out
    assert "1 x the text has no [MASK]" in out


def test_a_reader_that_leaves_early_is_not_an_error(folder: Folder) -> None:
    for arguments in (
        ("query", "run", "node-probability", "--format", "csv"),
        ("query", "list"),
        ("--help",),
    ):
        process = spawn(*arguments, cwd=folder.path)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        process.wait()


def test_ctrl_c_keeps_finished_shards_and_the_same_command_goes_on(tmp_path: Path) -> None:
    arguments = ("ingest", "dataset", "sva", "--limit", "500", "--batch-size", "8", *FAST)
    process = spawn(*arguments, cwd=tmp_path)
    while not list(tmp_path.glob("runs/*/shards/00000")) and process.poll() is None:
        time.sleep(0.02)
    # With four more shards to go, the signal comes well before the end.
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err == "error: interrupted; finished work is kept, run the same command again to continue\n"
    (path,) = tmp_path.glob("runs/*")
    kept = {shard: shard.stat().st_mtime_ns for shard in path.glob("shards/0*")}
    assert kept
    assert not RunDirectory.open(path).is_complete
    again = call("extract", *arguments[2:], cwd=tmp_path)
    assert "sentences     500" in again.stdout, again.stderr
    assert again.stderr == ""
    assert "\x1b" not in again.stdout
    assert {shard: shard.stat().st_mtime_ns for shard in kept} == kept


def test_version_is_the_package_s() -> None:
    assert invoke("--version").stdout == f"ipgraph {version('ipgraph')}\n"


def test_logging_is_on_stderr_and_only_when_asked(folder: Folder) -> None:
    quiet = call("query", "run", "skip-share", cwd=folder.path)
    assert quiet.stderr == ""
    loud = call("-v", "query", "run", "skip-share", cwd=folder.path)
    assert loud.stdout == quiet.stdout
    assert "ipgraph.queries.language.running: 1 rows from ipgraph.db in " in loud.stderr


def spawn(*arguments: str, cwd: Path) -> "subprocess.Popen[str]":
    """Start the installed command with pipes for its output, open to Ctrl-C.

    A suite started in the background ignores that signal, and its children would inherit this.
    """
    pipe = subprocess.PIPE
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [COMMAND, *arguments], cwd=cwd, env=environment(), text=True, stdout=pipe, stderr=pipe
        )
    finally:
        signal.signal(signal.SIGINT, before)


def test_colour_on_a_terminal_unless_no_color(folder: Folder) -> None:
    name = next(iter(folder.runs[0].records("instances"))).id
    coloured = on_terminal("show", name, cwd=folder.path, env={})
    plain = on_terminal("show", name, cwd=folder.path, env={"NO_COLOR": "1"})
    assert "\x1b[34m" in coloured
    assert "\x1b[3" not in plain
    assert "\x1b[38" not in plain


def test_progress_has_rate_and_time_left_on_a_terminal(tmp_path: Path) -> None:
    arguments = ("extract", "sva-obj", "--limit", "8", "--batch-size", "1", *FAST)
    seen = on_terminal(*arguments, cwd=tmp_path, env={})
    assert "sentences/s" in seen
    assert "8/8" in seen


def test_a_class_and_forms_contradict_each_other() -> None:
    forms = ("--correct", "is", "--wrong", "are")
    error = invoke("ingest", "text", "the [MASK] .", *forms, "--class", "1", code=2)
    assert "--class is for a classifier, --correct and --wrong are for a [MASK]" in error.stderr


def test_a_path_that_leads_to_no_model_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    (tmp_path / "minilm").mkdir()
    (tmp_path / "minilm" / "config.json").write_text("{}")
    file, typo = tmp_path / "sentences.csv", tmp_path / "minlm"
    file.write_text("text,label\n")
    for name, said in (
        (str(file), "is a file; name the folder that it is in"),
        (str(typo), f"there is no model folder '{typo}'; beside it are {tmp_path / 'minilm'}"),
        ("../minlm/x", "there is no model folder"),
    ):
        error = invoke("extract", "sva-obj", "--model", name, code=2).stderr
        assert said in " ".join(error.split()), error
