"""The HTML report: one file that needs nothing else, neither network nor server.

Every text from data is escaped; the browser may run only the page's own script, whose digest the page's
content security policy names, and may fetch nothing.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING

from ipgraph.graphstore.schema.records import Run
from ipgraph.queries.views.flow import THRESHOLD
from ipgraph.queries.views.scope import model_title
from ipgraph.queries.views.sentence import SKIP, Hop, Sentence, WordPattern

if TYPE_CHECKING:
    from ipgraph.queries.reports.tables import Table

SIGNIFICANT = 6
"""Digits of the numbers that the page holds."""


@dataclass(frozen=True, slots=True)
class Section:
    """The tables of a report."""

    name: str
    about: str
    tables: "Sequence[Table]"


@dataclass(frozen=True, slots=True)
class Illustration:
    """A figure in the page: its `<svg>` and what it shows."""

    svg: str
    caption: str


def page(
    run: Run,
    overview: Section,
    reports: Iterable[Section],
    figures: Sequence[Illustration],
    sentences: Sequence[Sentence],
) -> str:
    """Return the report of a run: its overview, figures, a view of the given instances, and more tables."""
    style, script = _resource("page.css"), _resource("page.js")
    whole = _resource("page.html")
    parts = {
        "policy": _policy(script),
        "title": escape(f"{run.dataset}, {model_title(run)}: run {run.id}"),
        "style": style,
        "overview": _section(overview),
        "reports": "".join(map(_section, reports)),
        "figures": "".join(_figure(number, figure) for number, figure in enumerate(figures, 1)),
        "shown": _shown(len(sentences), run.instances),
        "data": _json(
            {"layers": run.layers, "threshold": THRESHOLD, "instances": list(map(_instance, sentences))}
        ),
        "footer": escape(f"Made by ipgraph {version('ipgraph')}. How to cite it: ipgraph cite {run.id}"),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], whole)


def _resource(name: str) -> str:
    return (files("ipgraph.cli.page") / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _section(section: Section) -> str:
    head = f"<h2>{escape(section.name)}</h2><p class=note>{escape(section.about)}</p>"
    return f"<section>{head}<div class=tables>{''.join(map(_table, section.tables))}</div></section>"


def _table(table: "Table") -> str:
    kinds = [' class="number"' if column.align == "right" else "" for column in table.columns]
    head = "".join(
        f"<th{k} scope=col>{escape(name)}</th>" for k, name in zip(kinds, table.headers, strict=True)
    )
    rows = (
        "".join(f"<td{k}>{escape(cell)}</td>" for k, cell in zip(kinds, cells, strict=True))
        for cells in table.cells()
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    header = f"<thead><tr>{head}</tr></thead>" if any(table.headers) else ""
    note = f"<p class=note>{escape(table.note)}</p>" if table.note else ""
    cypher = (
        f"<details><summary>Cypher</summary><pre>{escape(table.cypher)}</pre></details>"
        if table.cypher
        else ""
    )
    caption = f"<h3>{escape(table.title)}</h3>" if table.title else ""
    return f"<div class=table>{caption}<table>{header}<tbody>{body}</tbody></table>{note}{cypher}</div>"


def _figure(number: int, figure: Illustration) -> str:
    """Return a figure whose ids no other figure of the page shares."""
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>f{number}-", figure.svg)
    svg = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return f"<figure>{svg}<figcaption>{escape(figure.caption)}</figcaption></figure>"


def _shown(here: int, whole: int) -> str:
    return f"{here:,} instances" if here == whole else f"the first {here:,} of {whole:,} instances"


def _json(value: object) -> str:
    """Return JSON that cannot end the script element that holds it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _instance(sentence: Sentence) -> dict[str, object]:
    words: dict[int, dict[str, object]] = {}
    for pattern in sentence.patterns:
        about: dict[str, object] = {
            "at": pattern.position,
            "sign": pattern.sign,
            "g": _digits(pattern.total_influence),
        }
        words.setdefault(pattern.position, about)[pattern.level] = _pattern(pattern)
    return {
        "id": sentence.id,
        "name": sentence.name,
        "subtask": sentence.subtask,
        "condition": sentence.condition,
        "text": sentence.text,
        "expected": sentence.expected,
        "qoi": sentence.qoi_of,
        "q": _digits(sentence.qoi),
        "right": None if sentence.label_is_predicted else sentence.is_correct,
        "error": None if sentence.completeness_error is None else _digits(sentence.completeness_error),
        "target": sentence.target,
        "tokens": sentence.tokens,
        "roles": sentence.roles,
        "words": [words[at] for at in sorted(words)],
    }


def _pattern(pattern: WordPattern) -> dict[str, object]:
    """Return a pattern: positions from the input on; of each hop its head (0: skip) and how it was chosen.

    What came second is a head (0: skip) too, at the embedding level a position; null where nothing did.
    """
    hops = list(pattern.hops())
    return {
        "i": _digits(pattern.influence),
        "at": [pattern.position, *(hop.target for hop in hops)],
        "heads": [_head(hop) for hop in hops] if pattern.level == "attention" else [],
        "influences": [_digits(hop.influence) for hop in hops],
        "margins": [None if hop.margin is None else _digits(hop.margin) for hop in hops],
        "seconds": [hop.runner_up for hop in hops],
    }


def _head(hop: Hop) -> int:
    return 0 if hop.through == SKIP else int(hop.through)


def _digits(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT}g}")
