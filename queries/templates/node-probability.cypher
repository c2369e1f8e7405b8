// title: Node probability
// description: In what share of the instances each node lies on a pattern: the p_n of the pattern entropy.
//   Nodes on no pattern are not listed (their p_n is 0).
// parameters: run, level, subtask, condition, role, sign, roles
//   position: int -1.. = -1  Only patterns of the word at this position; -1 for all.
// columns:
//   node: Label of the node, such as `h03.07@0012` for layer 3, head 7, position 12.
//   kind: input, embedding, head or skip.
//   layer: Layer, from 1; 0 for the input.
//   head: Number of the head, from 1; 0 where there is none.
//   position: Position of the node, from 0.
//   instances: Instances with a pattern in scope that holds the node.
//   total: Instances that have a pattern in scope.
//   probability: instances / total.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND (size($roles) = 0 OR e.roles = $roles)
MATCH (i)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $role IN ['', p.role] AND $sign IN [0, p.sign] AND $position IN [-1, p.position]
WITH i, collect(p.route) AS routes
WITH collect(routes) AS found  // an instance is its number in this list: integers are the fastest to count
UNWIND range(0, size(found) - 1) AS number
WITH size(found) AS all_instances, number, found[number + $first] AS routes
UNWIND routes AS route
WITH route, max(all_instances) AS all_instances, collect(number) AS numbers  // many patterns share a route
UNWIND range(0, (size(route) + 1) / $stride - 1) AS step
WITH all_instances, numbers, substring(route, step * $stride + $first, $stride - 1) AS label
UNWIND numbers AS number
WITH label, max(all_instances) AS total, count(DISTINCT number) AS instances
MATCH (r:Run {id: $run})
MATCH (n:Node {id: r.model + '/' + label})
RETURN n.label AS node, n.kind AS kind, n.layer AS layer, n.head AS head, n.position AS position, instances, total,
       1.0 * instances / total AS probability
ORDER BY instances DESC, node
