// title: Where two conditions differ most
// description: The nodes whose probability of lying on a pattern differs most between two conditions.
//   Positions are comparable within one structure only.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   level: level = finest  `attention` or `embedding`; `finest` is attention where the run has it.
//   condition: string  One condition.
//   other_condition: string  The condition it is compared with.
//   subtask: string = ""  Only instances of this subtask; all where empty.
//   role: string = ""  Only patterns of words in this role; all where empty.
//   sign: int -1|0|1 = 0  1: patterns of words with total influence >= 0 (Pi_+); -1: the others (Pi_-); 0:
//     both.
//   limit: int 1.. = 20  Rows at most.
// columns:
//   node: Label of the node, such as `h03.07@012` for layer 3, head 7, position 12.
//   kind: input, embedding, head or skip.
//   layer: Layer, from 1; 0 for the input.
//   head: Number of the head, from 0; -1 where there is none.
//   position: Position of the node, from 0.
//   probability: Share of the condition's instances (those with a pattern in scope) with a pattern that
//     holds the node.
//   other_probability: The same for the other condition.
//   difference: probability - other_probability.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND i.condition IN [$condition, $other_condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH count(DISTINCT CASE WHEN i.condition = $condition THEN i.id END) AS total,
     count(DISTINCT CASE WHEN i.condition = $other_condition THEN i.id END) AS other_total
WHERE total > 0 AND other_total > 0
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND i.condition IN [$condition, $other_condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH total, other_total, i, i.condition AS found, p.path AS path
UNWIND path AS id
WITH total, other_total, id, found, count(DISTINCT i) AS holding
WITH total, other_total, id, max(CASE WHEN found = $condition THEN holding ELSE 0 END) AS instances,
     max(CASE WHEN found = $other_condition THEN holding ELSE 0 END) AS others
WITH id, 1.0 * instances / total AS probability, 1.0 * others / other_total AS other_probability
MATCH (n:Node {id: id})
RETURN n.label AS node, n.kind AS kind, n.layer AS layer, n.head AS head, n.position AS position,
       probability, other_probability, probability - other_probability AS difference
ORDER BY abs(probability - other_probability) DESC, node LIMIT $limit
