"""The shapes that `attribution_shapes.py` measures: tables, loading, removal and questions as Cypher.

A question is the same text on both stores, in the portable subset.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A relationship table: what makes it, and where each store takes its rows from."""

    definition: str
    parquet: str
    """Files that the embedded store copies: the ends, then the properties."""
    rows: str
    """Files whose rows are sent to Neo4j."""
    create: str
    """What Neo4j does with a `row`; `r` is the Run, `inputs` are the input nodes by position."""

    @property
    def name(self) -> str:
        """Name of the relationship."""
        return self.definition.removeprefix("CREATE REL TABLE ").partition("(")[0]


@dataclass(frozen=True)
class Shape:
    """A way to store something; each text of `remove` finds relationships `x` of a run."""

    name: str
    tables: tuple[Table, ...]
    questions: dict[str, str]
    remove: tuple[str, ...]
    index: str = ""


# A shape's own clauses come before these; words in angle brackets stand for its expressions.
ATTRIBUTION_QUESTIONS = {
    "mean score by role": """
WITH e.roles[<position> + $first] AS role, <score> AS score
RETURN role, count(*) AS tokens, avg(score) AS mean_score, avg(abs(score)) AS mean_size ORDER BY role""",
    "share of special tokens": """
WITH e.word_indices[<position> + $first] AS word_index, e.tokens[<position> + $first] AS token,
     <score> AS score
WITH CASE WHEN word_index < 0 THEN token ELSE '' END AS token, score
WITH token, count(*) AS tokens, avg(score) AS mean_score, sum(abs(score)) AS weight
WITH sum(weight) AS total,
     collect({token: token, tokens: tokens, mean_score: mean_score, weight: weight}) AS found
WHERE total > 0
UNWIND found AS g
RETURN g.token AS token, g.tokens AS tokens, g.mean_score AS mean_score, g.weight / total AS share
ORDER BY token""",
    "most attributed words": """
WITH i.id AS instance, e.words[<position> + $first] AS word,
     e.word_indices[<position> + $first] AS word_index, <score> AS score
WITH instance, word, word_index, sum(score) AS score
WITH word, count(DISTINCT instance) AS instances, avg(score) AS mean_score
WHERE instances >= 5
RETURN word, instances, mean_score ORDER BY floor(1000000 * abs(mean_score)) DESC, word LIMIT 20""",
}
SCORES_OF_INSTANCE = """
RETURN i.id AS instance, r.method AS method, <position> AS position, e.tokens[<position> + $first] AS token,
       e.words[<position> + $first] AS word, e.roles[<position> + $first] AS role, <score> AS score
ORDER BY position"""
AGREEMENT = """
WITH <score> AS x, <other> AS y
RETURN count(*) AS tokens, avg(x) AS mean_x, avg(y) AS mean_y, avg(x * x) AS xx, avg(y * y) AS yy,
       avg(x * y) AS xy, avg(abs(x - y)) AS difference, count(CASE WHEN x * y > 0 THEN 1 END) AS same_sign"""
MATRIX_QUESTIONS = {
    "strongest edges of a group": """
WITH b.layer AS layer, <source> AS source, b.position AS destination, <mean> AS mean
WHERE source <> destination
RETURN layer, source, destination, mean ORDER BY mean DESC, layer, source, destination LIMIT 20""",
    "a layer's matrix of a group": """
WITH b.layer AS layer, b.position AS destination, <source> AS source, <mean> AS mean
WHERE layer = $layer
RETURN destination, source, mean ORDER BY destination, source""",
}

_COLUMNS = "qoi DOUBLE, tokens STRING[], words STRING[], word_indices INT64[], roles STRING[]"
_VALUES = (
    "qoi: row.qoi, tokens: row.tokens, words: row.words, word_indices: row.word_indices, roles: row.roles"
)
_INSTANCE = "MATCH (i:Instance {id: row.instance})\n"
_PREDICTED = Table(
    f"CREATE REL TABLE PREDICTED(FROM Run TO Instance, {_COLUMNS})",
    "predictions",
    "predictions",
    f"{_INSTANCE}CREATE (r)-[:PREDICTED {{{_VALUES}}}]->(i)",
)
_SCORED = Table(
    f"CREATE REL TABLE PREDICTED(FROM Run TO Instance, {_COLUMNS}, scores DOUBLE[])",
    "scored",
    "scored",
    f"{_INSTANCE}CREATE (r)-[:PREDICTED {{{_VALUES}, scores: row.scores}}]->(i)",
)
_ATTRIBUTED = Table(
    "CREATE REL TABLE ATTRIBUTED(FROM Run TO Instance, scores DOUBLE[])",
    "attributions",
    "attributions",
    f"{_INSTANCE}CREATE (r)-[:ATTRIBUTED {{scores: row.scores}}]->(i)",
)
_ATTRIBUTES = Table(
    "CREATE REL TABLE ATTRIBUTES(FROM Instance TO Node, run STRING, score DOUBLE)",
    "scores",
    "attributions",
    f"""{_INSTANCE}UNWIND range(0, size(row.scores) - 1) AS position
WITH r, i, row.scores[position] AS score, inputs[position] AS n
CREATE (i)-[:ATTRIBUTES {{run: r.id, score: score}}]->(n)""",
)
_CONTRIBUTES = Table(
    "CREATE REL TABLE CONTRIBUTES"
    "(FROM Node TO Node, run STRING, grouping STRING, mean DOUBLE, instances INT64)",
    "contributions",
    "targets",
    """MATCH (b:Node {id: row.node})
UNWIND range(0, size(row.means) - 1) AS position
MATCH (a:Node {id: row.sources[position]})
CREATE (a)-[:CONTRIBUTES {run: r.id, grouping: row.grouping, mean: row.means[position],
                          instances: row.instances}]->(b)""",
)
_MIXED = Table(
    "CREATE REL TABLE MIXED(FROM Run TO Node, grouping STRING, instances INT64, means DOUBLE[])",
    "mixtures",
    "mixtures",
    """MATCH (b:Node {id: row.node})
CREATE (r)-[:MIXED {grouping: row.grouping, instances: row.instances, means: row.means}]->(b)""",
)


def attribution_shapes() -> list[Shape]:
    """Return a relationship per score, a list on a relationship of its own, a list on PREDICTED."""
    predicted = "MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance<key>)\n"
    other = "MATCH (r:Run {id: $run})-[e:%s]->(i:Instance)\nMATCH (:Run {id: $other})-[o:%s]->(i)\n"
    own = "MATCH (:Run {id: $run})-[x:PREDICTED]->()"
    places = "UNWIND range(0, size(<list>) - 1) AS position"
    terms = {
        "position": "position",
        "score": "<list>[position + $first]",
        "other": "o.scores[position + $first]",
    }
    return [
        Shape(
            "one relationship per score",
            (_PREDICTED, _ATTRIBUTES),
            _questions(
                predicted + "MATCH (i)-[a:ATTRIBUTES {run: $run}]->(n:Node)",
                "MATCH (i:Instance)-[a:ATTRIBUTES {run: $run}]->(n:Node)\n"
                "MATCH (i)-[o:ATTRIBUTES {run: $other}]->(n)",
                {"position": "n.position", "score": "a.score", "other": "o.score"},
            ),
            (own, "MATCH ()-[x:ATTRIBUTES {run: $run}]->()"),
            "CREATE INDEX FOR ()-[a:ATTRIBUTES]-() ON (a.run)",
        ),
        Shape(
            "list on a relationship of its own",
            (_PREDICTED, _ATTRIBUTED),
            _questions(
                f"{predicted}MATCH (r)-[a:ATTRIBUTED]->(i)\n{places}",
                (other % ("ATTRIBUTED", "ATTRIBUTED")).replace("e:", "a:") + places,
                terms | {"list": "a.scores"},
            ),
            (own, "MATCH (:Run {id: $run})-[x:ATTRIBUTED]->()"),
        ),
        Shape(
            "list on PREDICTED",
            (_SCORED,),
            _questions(
                predicted + places,
                other % ("PREDICTED", "PREDICTED") + places,
                terms | {"list": "e.scores"},
            ),
            (own,),
        ),
    ]


def _questions(match: str, match_two: str, terms: dict[str, str]) -> dict[str, str]:
    """Return the questions about scores in a shape's terms; the first is of one instance."""
    texts = {"scores of one instance": match.replace("<key>", " {id: $instance}") + SCORES_OF_INSTANCE}
    texts |= {name: match.replace("<key>", "") + text for name, text in ATTRIBUTION_QUESTIONS.items()}
    texts["agreement of two runs, token by token"] = match_two + AGREEMENT
    return {name: _in_terms(text, terms) for name, text in texts.items()}


def matrix_shapes() -> list[Shape]:
    """Return a relationship per entry, and a list per row of a matrix."""
    entry = "MATCH (a:Node)-[c:CONTRIBUTES {run: $run, grouping: $grouping}]->(b:Node)"
    row = """MATCH (:Run {id: $run})-[m:MIXED {grouping: $grouping}]->(b:Node)
UNWIND range(0, size(m.means) - 1) AS k"""
    in_entries = {"source": "a.position", "mean": "c.mean"}
    in_rows = {"source": "k", "mean": "m.means[k + $first]"}
    return [
        Shape(
            "one relationship per entry",
            (_CONTRIBUTES,),
            {name: _in_terms(entry + text, in_entries) for name, text in MATRIX_QUESTIONS.items()},
            ("MATCH ()-[x:CONTRIBUTES {run: $run}]->() WHERE x.grouping >= ''",),  # so that the index serves
            "CREATE INDEX FOR ()-[c:CONTRIBUTES]-() ON (c.run, c.grouping)",
        ),
        Shape(
            "one list per row",
            (_MIXED,),
            {name: _in_terms(row + text, in_rows) for name, text in MATRIX_QUESTIONS.items()},
            ("MATCH (:Run {id: $run})-[x:MIXED]->()",),
        ),
    ]


def _in_terms(text: str, terms: dict[str, str]) -> str:
    for name, term in terms.items():
        text = text.replace(f"<{name}>", term)
    return text
