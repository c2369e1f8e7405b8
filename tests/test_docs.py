"""The examples of docs/api.md run, and the pages agree with the package."""

import doctest
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_examples_of_the_api_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPGRAPH_STORE", raising=False)
    page = ROOT / "docs" / "api.md"
    result = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS)
    assert result.attempted > 20
    assert result.failed == 0


def test_citation_and_changelog_name_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"] == version("ipgraph")
    assert citation["license"] == project["license"]
    assert [a["family-names"] for a in citation["references"][0]["authors"]] == [
        "Lu",
        "Wang",
        "Mardziel",
        "Datta",
    ]
    assert f"\n## {project['version']} " in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]), ids=lambda page: page.name
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    parts = page.read_text().split("](")[1:]
    targets = [part.partition(")")[0].partition("#")[0] for part in parts]
    missing = [t for t in targets if t and "://" not in t and not (page.parent / t).exists()]
    assert missing == []
