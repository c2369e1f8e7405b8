"""Tables as text for programs and papers: JSON and CSV with exact values, Markdown and LaTeX for readers."""

import csv
import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from io import StringIO
from typing import TYPE_CHECKING

from ipgraph.graphstore.common.bootstrap import Interval

if TYPE_CHECKING:
    from ipgraph.queries.reports.tables import Table

_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": "$|$",
    "₊": "$_{+}$",
    "₋": "$_{-}$",
    '"': r"\textquotedbl{}",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "†": r"\textdagger{}",
    "‡": r"\textdaggerdbl{}",
    "·": r"\textperiodcentered{}",
    "[": "{[}",
    "]": "{]}",
    "→": r"$\rightarrow$",
    "±": r"$\pm$",
    "−": "$-$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "Π": r"$\Pi$",
    "Δ": r"$\Delta$",
    "ᵉ": "$^{e}$",
    "ᵃ": "$^{a}$",
}
"""What LaTeX reads otherwise, or its usual fonts lack; after a row's end, a bracket would begin an option."""


_ENDS = ("", " low", " high")
"""What follows a column's header in CSV, where it has intervals."""


def to_json(tables: Sequence["Table"]) -> str:
    """Return tables as JSON, one shape for one and several: {tables: [{title, columns, rows, notes}]}.

    Floats have Python's shortest exact form; nan and infinities are null.
    """
    contents = [
        {"title": t.title, "columns": t.keys, "rows": _rows(t), "notes": t.note.splitlines()} for t in tables
    ]
    return json.dumps({"tables": contents}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rows(table: "Table") -> list[dict[str, object]]:
    return [{key: _finite(value) for key, value in zip(table.keys, row, strict=True)} for row in table.rows]


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return _finite(asdict(value))
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def to_csv(table: "Table") -> str:
    """Return a table as CSV with a header: exact floats, an empty cell for None, lists as JSON.

    A column with intervals becomes three: the value, its low and its high end.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    wide = [any(isinstance(cell, Interval) for cell in column) for column in zip(*table.rows, strict=True)]
    wide = wide or [False] * len(table.headers)
    named = zip(table.headers, wide, strict=True)
    writer.writerow([header + end for header, is_wide in named for end in _ENDS[: 3 if is_wide else 1]])
    for row in table.rows:
        cells = (_ends(value) if is_wide else (value,) for value, is_wide in zip(row, wide, strict=True))
        writer.writerow([_csv_cell(part) for parts in cells for part in parts])
    return text.getvalue()


def _ends(value: object) -> tuple[object, ...]:
    return (value.value, value.low, value.high) if isinstance(value, Interval) else (value, None, None)


def _csv_cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    nested = isinstance(value, list | tuple | dict) or is_dataclass(value)
    return json.dumps(_finite(value), ensure_ascii=False) if nested else value


def to_markdown(table: "Table") -> str:
    """Return a table as Markdown with rounded numbers, aligned to the right."""
    rules = ["---:" if column.align == "right" else ":---" for column in table.columns]
    headers, *cells = (
        [cell.replace("|", "\\|").replace("\n", " ") for cell in row]
        for row in (table.headers, *table.cells())
    )
    body = "".join(f"| {' | '.join(line)} |\n" for line in (headers, rules, *cells))
    head = f"**{table.title}**\n\n" if table.title else ""
    return head + body + (f"\n{table.note}\n" if table.note else "")


def to_latex(table: "Table") -> str:
    r"""Return a table as LaTeX for the package booktabs, with rounded numbers and the note below."""
    headers, *cells = (f"{' & '.join(map(_latex, row))} \\\\" for row in (table.headers, *table.cells()))
    aligned = "".join("r" if column.align == "right" else "l" for column in table.columns)
    caption = [f"\\caption{{{_latex(table.title)}}}"] if table.title else []
    notes = [f"\\par\\smallskip{{\\footnotesize {_latex(line)}}}" for line in table.note.splitlines()]
    lines = (
        *("% \\usepackage{booktabs}", "\\begin{table}", "\\centering", *caption),
        *(f"\\begin{{tabular}}{{{aligned}}}", "\\toprule", headers, "\\midrule", *cells),
        *("\\bottomrule", "\\end{tabular}", *notes, "\\end{table}", ""),
    )
    return "\n".join(lines)


def _latex(text: str) -> str:
    """Return a text as LaTeX prints it, on one line, with minus signs before numbers."""
    line = re.sub(r"(?<!\w)-(?=\d)", "−", re.sub(r"\s+", " ", text))
    line = re.sub(r"\bPi_([+-])", lambda match: f"Π{'₊' if match[1] == '+' else '₋'}", line)
    line = re.sub(r"\^([ea])\b", lambda match: "ᵉ" if match[1] == "e" else "ᵃ", line)
    return "".join(_LATEX.get(character, character) for character in line)
