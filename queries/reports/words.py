"""Reports on words: their influence, where they meet, and what forms of a word do."""

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, Record, ask
from ipgraph.queries.reports.declaration import (
    AtLevel,
    Condition,
    Limit,
    OtherRole,
    Report,
    Role,
    RunId,
    Sign,
    Subtask,
)
from ipgraph.queries.reports.parts import ACCURACY, OUR_CHOICE, as_table, ratio
from ipgraph.queries.reports.tables import Table, count, number, share, signed, text

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store


def words(
    store: "Store",
    *,
    run: RunId = "",
    level: AtLevel = "",
    subtask: Subtask = "",
    condition: Condition = "",
    role: Role = "",
    sign: Sign = 0,
    at_least: Annotated[int, "Only words that occur in at least this many instances."] = 1,
    limit: Limit = 20,
) -> list[Table]:
    """Influence by role, the most influential words, and how much of it their patterns carry."""
    where: Parameters = {"run": run, "level": level, "subtask": subtask, "condition": condition}
    ranked = ask("influential-words", store, **where, role=role, sign=sign, at_least=at_least, limit=limit)
    return [
        as_table(
            "Influence by role and sign",
            ask("influence-by-role", store, **where),
            {
                "role": text("role"),
                "sign": signed("sign", 0),
                "patterns": count("words"),
                "mean_total_influence": signed("mean g"),
                "mean_influence": signed("mean pattern"),
                "total_share": share("of sum |g|"),
            },
            "g: the word's influence; pattern: what its pattern carries of it",
        ),
        as_table(
            "Most influential words",
            ranked,
            {
                "role": text("role"),
                "word": text("word"),
                "instances": count("instances"),
                "mean_total_influence": signed("mean g"),
                "mean_influence": signed("mean pattern"),
            },
            "the pieces of a word taken together",
        ),
        as_table(
            "Concentration",
            ask("concentration", store, **where),
            {
                "sign": signed("sign", 0),
                "instances": count("instances"),
                "concentration": number("concentration"),
            },
            f"sum of the patterns' influences / sum of g within an instance, then averaged†; {OUR_CHOICE}",
        ),
    ]


def convergence(
    store: "Store",
    *,
    run: RunId = "",
    level: AtLevel = "",
    subtask: Subtask = "",
    condition: Condition = "",
    sign: Sign = 0,
    limit: Limit = 20,
) -> list[Table]:
    """Where words from several positions converge at the same node before the target."""
    where: Parameters = {"run": run, "level": level, "subtask": subtask}
    where |= {"condition": condition, "sign": sign}
    columns = {
        "layer": count("layer"),
        "role": text("role"),
        "instances": count("instances"),
        "instance_share": share("of instances"),
        "patterns": count("patterns"),
    }
    rows = ask("convergence", store, **where, limit=limit)
    return [as_table("Where words converge before the target", rows, columns)]


def merges(
    store: "Store",
    *,
    role: Role,
    other_role: OtherRole,
    run: RunId = "",
    level: AtLevel = "",
    subtask: Subtask = "",
    condition: Condition = "",
    limit: Limit = 20,
) -> list[Table]:
    """Whether the patterns of two roles' words meet before the target, in which layer, through which head."""
    where: Parameters = {
        "run": run,
        "level": level,
        "role": role,
        "other_role": other_role,
        "subtask": subtask,
    }
    where["condition"] = condition
    points = ask("merge-points", store, **where, limit=limit)
    return [
        as_table(
            f"Instances in which {role} and {other_role} meet before the target",
            ask("merges", store, **where),
            {
                "subtask": text("subtask"),
                "condition": text("condition"),
                "instances": count("instances"),
                "meeting": count("meeting"),
                "meeting_share": share("share"),
                "mean_layer": number("mean layer", 1),
            },
        ),
        as_table(
            "Where they first meet",
            points,
            {
                "layer": count("layer"),
                "meeting_role": text("at"),
                "step": text(f"{role} by" if other_role != role else "the earlier by"),
                "other_step": text(f"{other_role} by" if other_role != role else "the later by"),
                "pairs": count("pairs"),
                "pair_share": share("of pairs"),
            },
            "h3.7: through head 7 of layer 3; s3: through its skip; empty at embedding level",
        ),
    ]


def lexical(
    store: "Store", *, role: Role, run: RunId = "", level: AtLevel = "", subtask: Subtask = ""
) -> list[Table]:
    """Accuracy, influence and share of all errors for each form of the word in a role."""
    rows = ask("lexical", store, run=run, level=level, role=role, subtask=subtask, limit=NO_LIMIT)
    columns = {
        "instances": count("instances"),
        "accuracy": share("accuracy"),
        "mean_total_influence": signed("mean g"),
        "mean_influence": signed("mean pattern"),
        "error_share": share("of all errors"),
    }
    forms = [_form(word, list(group)) for word, group in groupby(rows, key=lambda row: row["word"])]
    by_condition = {"word": text("word"), "condition": text("condition"), **columns}
    return [
        as_table(f"Forms of the {role}", rows, {"word": text("word"), **columns}, ACCURACY, records=forms),
        as_table("The same, per condition", rows, by_condition, ACCURACY),
    ]


def _form(word: str, rows: list[Record]) -> Record:
    """Return a word form's rows of all conditions as one."""
    names = ("instances", "labelled", "correct", "occurrences")
    instances, labelled, correct, words = (sum(row[name] for row in rows) for name in names)
    means = {
        name: sum(row["occurrences"] * row[name] for row in rows) / words
        for name in ("mean_total_influence", "mean_influence")
    }
    shares = [row["error_share"] for row in rows]
    error_share = None if None in shares else sum(shares)
    counts = {"word": word, "instances": instances, "accuracy": ratio(correct, labelled)}
    return {**counts, **means, "error_share": error_share}


REPORTS = (
    Report("words", "Words", words),
    Report("convergence", "Convergence", convergence),
    Report("merges", "Merges", merges),
    Report("lexical", "Word forms", lexical),
)
