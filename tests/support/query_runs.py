"""The runs that templates are tried on, on both stores."""

from dataclasses import replace
from pathlib import Path

from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.labels import ROLE_WIDTH
from ipgraph.graphstore.schema.records import Pattern, Prediction
from support.attributed import make_attributed
from support.fixtures import make_measures, make_run
from support.remade import remade

DOTTED = "n.det.all"
"""A role with dots in it, which the first run has in place of `det`."""


def query_runs(root: Path) -> list[RunDirectory]:
    """Make two runs over the same instances, two that a template must never mix in, and two without patterns.

    The first has measures, a role with dots, instances whose label is predicted (some, and all of one
    condition), and is_correct against the sign of the QoI in others, as positive-negative has it. The second
    lacks the word at position 2 in every other instance or so. Those without patterns are of hidden token
    attribution and of flow, with a special token and a word of two pieces.
    """
    first = _unusual(make_run(root / "plain", seed=5), root)  # in which words of every pair of roles meet
    first.write_measures(make_measures(first))
    second = remade(make_run(root / "whole", seed=1), root, patterns=_unless_at_2)
    others = [make_run(root, seed=2), make_run(root, dataset="ra-na", model="toy2-0", layers=2)]
    scored = [make_attributed(root / "plain", method=method) for method in ("hta", "flow")]
    return [first, second, *others, *(remade(run, root, predictions=with_pieces) for run in scored)]


def with_pieces(row: Prediction) -> Prediction:
    """Return a prediction whose first token is special, and whose fourth and fifth are one word."""
    words = ["[CLS]", *row.words[1:3], "likesher", "likesher", *row.words[5:]]
    indices = [-1, *row.word_indices[1:4], *row.word_indices[3:4], *row.word_indices[5:]]
    roles = ["cls", *row.roles[1:3], "verb", "verb", *row.roles[5:]]
    return replace(row, tokens=["[CLS]", *row.tokens[1:]], words=words, word_indices=indices, roles=roles)


def _unusual(run: RunDirectory, root: Path) -> RunDirectory:
    unlabelled = {
        i.id
        for i in run.records("instances")
        if i.id[-1] in "012345" or (i.subtask.endswith("within") and i.condition == "plural-plural")
    }

    def prediction(row: Prediction) -> Prediction:
        roles = [DOTTED if role == "det" else role for role in row.roles]
        is_predicted = row.instance in unlabelled
        is_correct = is_predicted or (row.qoi > 0) == (row.instance[-2] in "0123456789ab")
        return replace(row, roles=roles, label_is_predicted=is_predicted, is_correct=is_correct)

    return remade(run, root, predictions=prediction, patterns=_with_dotted_role)


def _with_dotted_role(pattern: Pattern) -> Pattern:
    role = DOTTED if pattern.role == "det" else pattern.role
    route = pattern.role_route.replace(f":{'det':.<{ROLE_WIDTH}}", f":{DOTTED:.<{ROLE_WIDTH}}")
    return replace(pattern, role=role, role_route=route)


def _unless_at_2(pattern: Pattern) -> Pattern | None:
    return None if pattern.position == 2 and pattern.instance[-1] in "02468ace" else pattern
