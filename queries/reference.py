"""The reference of templates and reports in docs/queries.md, written from the registry.

`python -m ipgraph.queries.reference docs/queries.md` writes it anew; a test compares the two.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from ipgraph.queries.language.needs import named
from ipgraph.queries.language.parameters import STANDARD, Parameter
from ipgraph.queries.language.registry import templates
from ipgraph.queries.language.template import Template
from ipgraph.queries.reports.declaration import Report, ReportParameter
from ipgraph.queries.reports.registry import REPORTS

BEGIN = "<!-- from here on: written by `python -m ipgraph.queries.reference docs/queries.md` -->"


def reference() -> str:
    """Return the reference as Markdown."""
    every = templates()
    lines = ["## Reports"]
    for report in REPORTS.values():
        lines += ["", *_report(report)]
    lines += ["", "## Standard parameters", "", *(f"- {_named(name, p)}" for name, p in STANDARD.items())]
    lines += ["", "## Templates", ""]
    lines += [f"- [`{t.name}`](#{t.name}): {t.title}" for t in every.values()]
    for template in every.values():
        lines += ["", *_template(template)]
    return "\n".join(lines) + "\n"


def _report(report: Report) -> Iterator[str]:
    needs = _NEEDS[report.needs].format(named(report.methods)) if report.methods else _NEEDS[report.needs]
    yield from (f"### report {report.name}", "", f"{report.summary}{needs}", "")
    yield from map(_option, report.parameters)


_NEEDS = {
    "patterns": "",
    "attention": " It needs a run with attention-level patterns.",
    "scores": " It needs a run of a method that scores tokens.",
    "method": " It needs a run of {}.",
    "evaluation": " It needs runs that `ipgraph evaluate` has measured.",
}


def _option(parameter: ReportParameter) -> str:
    default = "required" if parameter.is_required else f"default `{parameter.default!r}`"
    return f"- `{parameter.name}` ({default}): {parameter.help}"


def _template(template: Template) -> Iterator[str]:
    yield from (f"### {template.name}", "", f"**{template.title}.** {template.description}")
    if template.browser_only:
        yield "For Neo4j Browser only; the embedded store cannot run it."
    yield from ("", "Parameters:", "", *map(_parameter, template.parameters))
    yield from ("", "Columns:", "", *(f"- `{c.name}`: {c.description}" for c in template.columns))


def _parameter(parameter: Parameter) -> str:
    return f"- {_named(parameter.name, parameter)}"


def _named(name: str, parameter: Parameter) -> str:
    allowed = f" {parameter.allowed}" if parameter.allowed else ""
    default = "required" if parameter.required else f"default `{parameter.default!r}`"
    return f"`{name}` ({parameter.type}{allowed}; {default}): {parameter.description}"


def written(page: str) -> str:
    """Return the page with its reference written anew."""
    return f"{page.partition(BEGIN)[0]}{BEGIN}\n\n{reference()}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
