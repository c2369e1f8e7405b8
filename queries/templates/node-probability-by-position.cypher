// title: Node probability, per word position
// description: In what share of the instances each node lies on the pattern of the word at each position: the
//   p_n behind the pattern entropy of a position. Positions are comparable within one structure only.
// parameters: run, level, subtask, condition, roles
// columns:
//   word_position: Position of the word whose pattern it is.
//   node: Label of the node, such as `h03.07@0012` for layer 3, head 7, position 12.
//   instances: Instances in which the word's pattern holds the node.
//   total: Instances in which there is a pattern of a word at the position.
//   probability: instances / total.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND (size($roles) = 0 OR e.roles = $roles)
MATCH (i)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WITH p.position AS word_position, p.route AS route, count(*) AS patterns
UNWIND range(0, (size(route) + 1) / $stride - 1) AS step
WITH word_position, substring(route, step * $stride + $first, $stride - 1) AS label, sum(patterns) AS passing
WITH word_position, collect(label) AS labels, collect(passing) AS counts, max(passing) AS total
UNWIND range(0, size(labels) - 1) AS k
WITH word_position, labels[k + $first] AS label, counts[k + $first] AS instances, total
MATCH (r:Run {id: $run})
MATCH (n:Node {id: r.model + '/' + label})
RETURN word_position, n.label AS node, instances, total, 1.0 * instances / total AS probability
ORDER BY word_position, instances DESC, node
