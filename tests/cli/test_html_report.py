"""The HTML report of a run, as the command writes it: it names nothing outside itself and opens."""

import json
import re
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.browser import Page
from support.cli_runs import Folder, invoke, shared_folder
from support.entropy_measures import measures as entropy_measures
from support.fixtures import make_run
from support.report_pages import count, edges, text

from ipgraph.graphstore.opening import open_store

__all__ = ["shared_folder"]
pytestmark = pytest.mark.xdist_group("chromium")


class Elements(HTMLParser):
    """Collects the ids and the addresses that a page names."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.addresses += [
            values[name] or "" for name in ("src", "href", "xlink:href", "action") if name in values
        ]


@pytest.fixture(scope="module")
def written(shared_folder: Folder) -> Path:
    """The report of the first run, by the command."""
    out = shared_folder.path / "report.html"
    store = str(shared_folder.path / "ipgraph.db")
    found = invoke("report", "html", "-o", str(out), "--run", shared_folder.runs[0].id, "--store", store)
    assert found.output.startswith(f"wrote {out} (")
    return out


def test_the_report_of_a_run_names_nothing_outside_itself(written: Path, shared_folder: Folder) -> None:
    html, run = written.read_text(encoding="utf-8"), shared_folder.runs[0]
    found = Elements(html)
    assert all(address.startswith(("#", "data:")) for address in found.addresses)
    assert len(set(found.ids)) == len(found.ids)
    assert {f"#{name}" for name in ("figures", "explorer", "reports")} <= set(found.addresses)
    data = json.loads(html.partition('id="data">')[2].partition("</script>")[0])
    assert [i["id"] for i in data["instances"]] == sorted(i.id for i in run.records("instances"))
    words = sum(len(i["words"]) for i in data["instances"])
    assert words == sum(p.level == "attention" for p in run.records("patterns"))
    assert html.count("<figure>") >= 4
    assert "MATCH (" in html


def test_the_figure_by_condition_says_what_it_is_of(shared_folder: Folder, tmp_path: Path) -> None:
    run, out = shared_folder.runs[0], tmp_path / "few.html"
    store = str(shared_folder.path / "ipgraph.db")
    options = ("--run", run.id, "--store", store, "--instances", "5")
    invoke("report", "html", "-o", str(out), *options)
    html = out.read_text(encoding="utf-8")
    data = json.loads(html.partition('id="data">')[2].partition("</script>")[0])
    found = Counter((tuple(i["roles"]), i["target"]) for i in data["instances"])
    most = found.most_common(1)[0][1]
    assert f"Of 5 of the run's 24 instances, the {most} of the commonest structure" in unescape(html)


def test_the_report_of_a_run_opens_in_the_browser(window: Page, written: Path) -> None:
    window.open(written)
    assert text(window, "#count") == "1 of 24"
    assert len(edges(window)) > 0
    assert window.sent("Runtime.exceptionThrown") == []
    assert count(window, "figure svg") == count(window, "figure") >= 4


def test_a_run_of_one_level_that_was_evaluated_has_a_report_too(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "runs", level="embedding")
    store, out = tmp_path / "ipgraph.db", tmp_path / "report.html"
    with open_store(store) as graph:
        graph.add([directory])
        graph.add_measures(directory.id, entropy_measures(directory.id, "obj", "subj"))
    invoke("report", "html", "-o", str(out), "--store", str(store))
    html = out.read_text(encoding="utf-8")
    assert {"Figure 5", "Table 1", "Quality"} <= set(re.findall(r"<h2>([\w ]+)</h2>", html))
    assert "Πᵉ by task" in html
    assert "Share of the patterns that pass each head" not in html
    data = json.loads(html.partition('id="data">')[2].partition("</script>")[0])
    word = data["instances"][0]["words"][0]
    assert "attention" not in word
    assert len(word["embedding"]["at"]) == 1 + len(word["embedding"]["influences"]) == 4
