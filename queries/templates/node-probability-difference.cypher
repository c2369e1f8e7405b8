// title: Where two conditions differ most
// description: The nodes whose probability of lying on a pattern differs most between two conditions.
//   Positions are comparable within one structure only.
// parameters: run, level, subtask, role, sign, limit
//   condition: condition  One condition.
//   other_condition: condition  The condition it is compared with.
// columns:
//   node: Label of the node, such as `h03.07@0012` for layer 3, head 7, position 12.
//   kind: input, embedding, head or skip.
//   layer: Layer, from 1; 0 for the input.
//   head: Number of the head, from 1; 0 where there is none.
//   position: Position of the node, from 0.
//   probability: Share of the condition's instances (those with a pattern in scope) with a pattern that
//     holds the node.
//   other_probability: The same for the other condition.
//   difference: probability - other_probability.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND i.condition IN [$condition, $other_condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH i, i.condition AS condition, collect(p.route) AS routes
WITH condition, collect(routes) AS found  // an instance is its number in this list: fast to count
WITH collect(condition) AS conditions, collect(found) AS found_in
WHERE $condition IN conditions AND $other_condition IN conditions
UNWIND range(0, size(conditions) - 1) AS k
WITH conditions[k + $first] AS condition, found_in[k + $first] AS found
UNWIND range(0, size(found) - 1) AS number
WITH condition, size(found) AS total, number, found[number + $first] AS routes
UNWIND routes AS route
WITH condition, route, max(total) AS total, collect(number) AS numbers  // many patterns share a route
UNWIND range(0, (size(route) + 1) / $stride - 1) AS step
WITH condition, total, numbers, substring(route, step * $stride + $first, $stride - 1) AS label
UNWIND numbers AS number
WITH condition, label, 1.0 * count(DISTINCT number) / max(total) AS share
WITH label, max(CASE WHEN condition = $condition THEN share ELSE 0.0 END) AS probability,
     max(CASE WHEN condition = $other_condition THEN share ELSE 0.0 END) AS other_probability
MATCH (r:Run {id: $run})
MATCH (n:Node {id: r.model + '/' + label})
RETURN n.label AS node, n.kind AS kind, n.layer AS layer, n.head AS head, n.position AS position,
       probability, other_probability, probability - other_probability AS difference
ORDER BY abs(probability - other_probability) DESC, node LIMIT $limit
