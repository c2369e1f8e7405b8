"""Templates as files: found, parsed, overridden; what is wrong is said in a sentence with the file."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.labels import LABEL_WIDTH, ROLE_LABEL_WIDTH, node_label, target_label
from ipgraph.queries.language.browser import browser_script
from ipgraph.queries.language.parameters import STANDARD
from ipgraph.queries.language.registry import template, templates
from ipgraph.queries.language.template import Template, TemplateError, used_parameters
from ipgraph.queries.reference import written

HEAD = """\
// title: Words of a run
// description: Every word,
//   once.
// parameters:
//   run: run = newest  The run.
//   k: int 2..6 = 3  How many,
//     and more.
//   names: string[] = ["a", "b c"]  Some names.
//   share: float 0.. = 0.5  A share.
//   word: string  A word that must be given.
// columns:
//   word: The word.
"""
BODY = """MATCH (p:Pattern {run: $run})
WHERE $k > 0 AND p.word IN $names + [$word] AND $share > 0
RETURN p.word AS word"""


def write(folder: Path, text: str, name: str = "mine.cypher") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_head_says_title_description_parameters_and_columns(tmp_path: Path) -> None:
    write(tmp_path, HEAD + BODY)
    found = template("mine", tmp_path)
    assert (found.title, found.description) == ("Words of a run", "Every word, once.")
    assert [(p.name, p.type, p.allowed, p.required, p.default) for p in found.parameters] == [
        ("run", "run", "", False, "newest"),
        ("k", "int", "2..6", False, 3),
        ("names", "string[]", "", False, ["a", "b c"]),
        ("share", "float", "0..", False, 0.5),
        ("word", "string", "", True, None),
    ]
    assert found.parameters[1].description == "How many, and more."
    assert [(c.name, c.description) for c in found.columns] == [("word", "The word.")]
    assert found.text("ladybug") == found.text("neo4j") == BODY


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("// title: Words of a run\n", "", "says no title"),
        ("// description: Every word,\n//   once.\n", "", "says no description"),
        ("// columns:\n//   word: The word.\n", "", "says no columns"),
        ("// title:", "// heading:", ":1: 'heading: Words of a run' is not a line of the head"),
        (
            "k: int 2..6 = 3  How many",
            "k: int 2..6 = 3 How many",
            ":6: the parameter 'k: int 2..6 = 3 How many",
        ),
        ("k: int 2..6", "k: integer", ":6: k is of type 'integer'; valid: run, level"),
        ("= 3  How", "= three  How", ":6: the default of k is 'three', not a whole number"),
        ("= 3  How", "= 7  How", ":6: the default of k is 7; it must be at most 6"),
        ("word: The word.", "The word.", "the column 'The word.' is not written as"),
        ("$share > 0", "0.5 > 0", "declares the parameter share but never uses $share"),
        ("$share > 0", "$share > $least", "uses $least, which the head of mine.cypher does not declare"),
        ("word: string  A", "store: string  A", ":10: a parameter cannot be called store, which has another"),
        ("word: string  A", "max_rows: string  A", "a parameter cannot be called max_rows"),
        ("word: string  A", "k: string  A", ":10: the parameter k is declared twice; leave one out"),
        ("parameters:", "parameters: run", ":5: the parameter run is declared twice"),
        (
            "parameters:",
            "parameters: other, rolle",
            ":4: unknown standard parameter 'rolle'; valid, nearest first: role, roles, ",
        ),
        (BODY, "", "holds no Cypher after its head"),
        ("// columns:", "// dialect: sql\n// columns:", "dialect 'sql' is neither of ladybug, neo4j"),
        ("// columns:", "// browser-only: maybe\n// columns:", "browser-only is 'maybe', neither yes nor no"),
        ("// title: ", "//     title: ", ":1: 'title: Words of a run' belongs to no line"),
        ("run: run = newest", "run: level = finest", "declare `run: run = newest`"),
        ("run: run = newest", "run: role = subject", "the type role is looked up in a run"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = HEAD + BODY
    assert old in text
    path = write(tmp_path, text.replace(old, new, 1))
    with pytest.raises(TemplateError) as raised:
        template("mine", tmp_path)
    assert says in str(raised.value)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_head_names_what_templates_share(tmp_path: Path) -> None:
    head = HEAD.replace("parameters:", "parameters: role, sign,")
    head = head.replace("  run: run = newest  The run.", "  run")
    used = "> 0 AND $role IN ['', p.role] AND $sign IN [0, p.sign]\n"
    write(tmp_path, head + BODY.replace("> 0\n", used))
    found = template("mine", tmp_path)
    assert [p.name for p in found.parameters] == ["role", "sign", "run", "k", "names", "share", "word"]
    assert found.parameters[:3] == (STANDARD["role"], STANDARD["sign"], STANDARD["run"])
    assert (STANDARD["attention-level"].name, STANDARD["attention-level"].allowed) == ("level", "attention")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.cypher").write_bytes(b"// title: \xff\n")
    with pytest.raises(TemplateError, match=r"mine\.cypher could not be read as UTF-8"):
        templates(tmp_path)


def test_the_users_own_override_and_add(tmp_path: Path) -> None:
    write(tmp_path, HEAD + BODY)
    write(tmp_path, HEAD + BODY, "skip-share.cypher")
    both = templates(tmp_path)
    assert set(both) == set(templates()) | {"mine"}
    assert both["skip-share"].path == tmp_path / "skip-share.cypher"
    assert both["heads-by-role"] == template("heads-by-role")


def test_an_unknown_name_lists_the_valid_ones_nearest_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown query 'skipshare'; valid, nearest first: skip-share, "):
        template("skipshare")
    with pytest.raises(UsageError, match="no such folder of templates"):
        templates(tmp_path / "absent")


def test_a_variant_replaces_the_text_on_its_store_only(tmp_path: Path) -> None:
    write(tmp_path, HEAD + BODY)
    variant = write(tmp_path, "// measured: 2 s against 9 s\n" + BODY + " LIMIT 9", "mine.neo4j.cypher")
    assert set(templates(tmp_path)) == set(templates()) | {"mine"}
    found = template("mine", tmp_path)
    assert found.text("neo4j") == BODY + " LIMIT 9"
    assert found.text("ladybug") == found.text() == BODY
    variant.write_text(BODY)
    with pytest.raises(TemplateError, match=r"mine\.neo4j\.cypher: quotes no measurement"):
        template("mine", tmp_path)
    variant.write_text("// measured: 2 s\n" + BODY.replace("$k", "2"))
    with pytest.raises(TemplateError, match=r"mine\.neo4j\.cypher: declares the parameter k"):
        template("mine", tmp_path)
    (tmp_path / "mine.cypher").unlink()
    with pytest.raises(
        TemplateError, match=r"mine\.neo4j\.cypher: varies mine\.cypher, which is not beside it"
    ):
        templates(tmp_path)


def test_parameters_in_strings_and_comments_are_none() -> None:
    text = """MATCH (n {a: $one, b: '$two \\' $three', c: "$four"}) // $five
    WHERE n.`$six` = $seven /* $eight
    $nine */ RETURN n"""
    assert used_parameters(text) == {"one", "seven"}


SHIPPED = templates()
_NAMES = ("apoc.", "gds.", "head(", "split(", "reduce(", "round(", "log(", "toString(", "toInteger(")
_TRIMS = ("trim(", "ltrim(", "rtrim(")  # on the embedded store what they return is damaged
_WORDS = [rf"\b{re.escape(name)}" for name in _NAMES + _TRIMS]
LEFT_OUT = [*_WORDS, r"\*\s*\d*\.\.", r"\[[^\]]*\.\.[^\]]*\]", ";"]
"""What the stores do not share, as patterns: functions, variable-length paths, slices, second statements."""


@pytest.mark.parametrize("shipped", SHIPPED.values(), ids=list(SHIPPED))
def test_a_shipped_template_is_portable_and_explained(shipped: Template) -> None:
    text = shipped.body
    if not shipped.browser_only:
        for left_out in LEFT_OUT:
            assert re.search(left_out, text) is None, left_out
    assert ("$run" in text) or shipped.browser_only
    for column in shipped.columns:
        assert column.description.endswith(".")
        if column.name.endswith("share") or column.name.endswith("probability"):
            assert re.search(r"[Oo]f |/|share of|The same", column.description), column
    heads = [c.description for c in shipped.columns if c.name == "head"]
    assert all("from 1" in description for description in heads)


def test_widths_in_the_texts_are_the_schemas() -> None:
    """A text says no width as a number; what it writes out of a label is as wide as the schema's."""
    at_target = target_label(node_label("embedding", 1, 3), 3)[6:]
    at_first = node_label("head", 1, 0, 1)[6:]
    for shipped in SHIPPED.values():
        for text in (shipped.body, *shipped.variants.values()):
            assert set(re.findall(r"'[+@]\d*'", text)) <= {f"'{at_target}'", f"'{at_first}'"}
            assert not set(re.findall(r"\b\d\d+\b", re.sub(r"\b0\.\d+|'[^']*'|1000000+", "", text)))
    script = browser_script(SHIPPED["shared-subpaths"]).splitlines()
    assert f":param stride => {LABEL_WIDTH + 1};" in script
    assert f":param role_stride => {ROLE_LABEL_WIDTH + 1};" in script


def test_browser_script_without_a_store_leaves_blanks_in_capitals() -> None:
    script = browser_script(template("instances-through-head"), layer="3", role="sub'ject")
    assert script.splitlines()[:5] == [
        ':param condition => "";',
        ":param head => HEAD;",
        ":param layer => 3;",
        ':param level => "attention";',
        ":param limit => 100;",
    ]
    assert ':param role => "sub\'ject";' in script
    assert ':param run => "RUN";' in script
    assert script.endswith(template("instances-through-head").body)
    assert ":param first => 0;" in browser_script(template("shared-subpaths"))
    with pytest.raises(UsageError, match="unknown parameter 'rolle'; valid, nearest first: role"):
        browser_script(template("instances-through-head"), rolle="x")


def test_one_template_is_for_the_browser_only() -> None:
    assert [name for name, found in SHIPPED.items() if found.browser_only] == ["picture-of-instance"]
    assert SHIPPED["picture-of-instance"].dialect == "neo4j"


def test_importing_queries_imports_nothing_heavy() -> None:
    heavy = [
        "torch",
        "transformers",
        "numpy",
        "pyarrow",
        "networkx",
        "ladybug",
        "neo4j",
        "pandas",
        "matplotlib",
    ]
    code = (
        "import sys; from ipgraph.queries.language.registry import templates; templates();"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


DOCS = Path(__file__).parents[2] / "docs" / "queries.md"


def test_the_documented_templates_and_reports_are_the_registrys() -> None:
    page = DOCS.read_text(encoding="utf-8")
    assert page == written(page), "run `python -m ipgraph.queries.reference docs/queries.md`"
    assert all(f"### {name}\n" in page for name in SHIPPED)


def test_the_documented_example_of_ones_own_template_parses(tmp_path: Path) -> None:
    page = DOCS.read_text(encoding="utf-8").partition("The head:\n\n")[2]
    example = "\n".join(line[4:] for line in page.partition("\n\n")[0].splitlines())
    write(tmp_path, example)
    assert [p.name for p in template("mine", tmp_path).parameters] == ["run", "level", "least"]
