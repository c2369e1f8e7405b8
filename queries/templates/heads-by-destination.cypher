// title: Heads ranked by traversal or influence, per role they write to
// description: Which heads bring influence to the positions of each role; within a role the most traversed or
//   influential first.
// parameters: run, attention-level, subtask, condition, role, sign, layer
//   rank: string count|influence = count  What comes first: the most patterns, or the most influence.
//   limit: int 1.. = 200  Rows at most.
// columns:
//   destination: Role of the position that the head writes to.
//   layer: Layer of the head, from 1.
//   head: Number of the head in its layer, from 1.
//   patterns: Patterns that pass through the head to such a position.
//   head_share: Of the patterns that pass through the head.
//   influence: Sum of |influence| of these patterns in an instance, averaged over all instances that have a
//     pattern in scope (one without such a pattern counts 0).
//   influence_share: The same of each instance's sum over all of its patterns in scope.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH i, sum(abs(p.influence)) AS whole, collect(p.role_route) AS routes,
     collect(abs(p.influence)) AS weights
WITH collect(whole) AS wholes, collect(routes) AS found, collect(weights) AS found_weights
UNWIND range(0, size(found) - 1) AS number  // of an instance
WITH size(found) AS all_instances, wholes[number + $first] AS whole, found[number + $first] AS routes,
     found_weights[number + $first] AS weights
UNWIND range(0, size(routes) - 1) AS k
WITH all_instances, routes[k + $first] AS route, weights[k + $first] AS weight,
     CASE WHEN whole > 0 THEN weights[k + $first] / whole ELSE 0.0 END AS part
WITH route, max(all_instances) AS all_instances, count(*) AS passing, sum(weight) AS weight,
     sum(part) AS part
UNWIND range(1, (size(route) + 1) / (2 * $role_stride)) AS at
WITH at, substring(route, (2 * at - 1) * $role_stride + $first, $role_stride - 1) AS label, all_instances, passing,
     weight, part
WHERE label STARTS WITH 'h' AND $layer IN [0, at]
WITH label, sum(passing) AS passing, sum(weight) / max(all_instances) AS influence,
     sum(part) / max(all_instances) AS influence_share
WITH left(label, 6) AS step, collect(label) AS labels, collect(passing) AS counts, sum(passing) AS total,
     collect(influence) AS influences, collect(influence_share) AS shares
UNWIND range(0, size(labels) - 1) AS k
WITH step, substring(labels[k + $first], 7 + $first, $role_stride - 8) AS label, counts[k + $first] AS patterns,
     1.0 * counts[k + $first] / total AS head_share, influences[k + $first] AS influence,
     shares[k + $first] AS influence_share
UNWIND range(1, size(label)) AS place  // the last that holds no dot ends the role: dots fill it up
WITH step, label, patterns, head_share, influence, influence_share,
     max(CASE WHEN substring(label, place - 1 + $first, 1) <> '.' THEN place ELSE 0 END) AS length
MATCH (r:Run {id: $run})
MATCH (n:Node {id: r.model + '/' + step + '@0000'})  // the head at position 0 stands for the head
RETURN left(label, length) AS destination, n.layer AS layer, n.head AS head, patterns, head_share, influence,
       influence_share
ORDER BY destination,
         CASE $rank WHEN 'influence' THEN floor(1000000000 * influence) ELSE 1.0 * patterns END DESC,
         layer, head LIMIT $limit
