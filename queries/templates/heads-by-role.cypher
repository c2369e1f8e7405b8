// title: Heads ranked by traversal or influence, per role
// description: Which heads carry the patterns of each role's words; within a role the most traversed or
//   influential first.
// parameters: run, attention-level, subtask, condition, role, sign, layer
//   rank: string count|influence = count  What comes first: the most patterns, or the most influence.
//   limit: int 1.. = 200  Rows at most.
// columns:
//   role: Role of the word whose pattern it is.
//   layer: Layer of the head, from 1.
//   head: Number of the head in its layer, from 1.
//   patterns: Patterns of the role's words that pass through the head.
//   role_share: Of the role's patterns in scope (each takes one head or skip in each layer).
//   influence: Sum of |influence| of these patterns in an instance, averaged over all instances that have a
//     pattern in scope (one without such a pattern counts 0).
//   influence_share: The same of each instance's sum over all of its patterns in scope.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH i, sum(abs(p.influence)) AS whole, collect(p.route) AS routes,
     collect(abs(p.influence)) AS weights, collect(p.role) AS roles
WITH collect(whole) AS wholes, collect(routes) AS found, collect(weights) AS found_weights,
     collect(roles) AS found_roles
UNWIND range(0, size(found) - 1) AS number  // of an instance
WITH size(found) AS all_instances, wholes[number + $first] AS whole, found[number + $first] AS routes,
     found_weights[number + $first] AS weights, found_roles[number + $first] AS roles
UNWIND range(0, size(routes) - 1) AS k
WITH all_instances, routes[k + $first] AS route, weights[k + $first] AS weight,
     CASE WHEN whole > 0 THEN weights[k + $first] / whole ELSE 0.0 END AS part, roles[k + $first] AS role
WITH role, route, max(all_instances) AS all_instances, count(*) AS passing, sum(weight) AS weight,
     sum(part) AS part
UNWIND range(1, (size(route) + 1) / (2 * $stride)) AS at
WITH role, at, substring(route, (2 * at - 1) * $stride + $first, 6) AS any_step, all_instances,
     passing, weight, part
WHERE $layer IN [0, at]
WITH role, at, any_step, sum(passing) AS passing, sum(weight) / max(all_instances) AS influence,
     sum(part) / max(all_instances) AS influence_share
WITH role, at, collect(any_step) AS steps, collect(passing) AS counts, collect(influence) AS influences,
     collect(influence_share) AS shares, sum(passing) AS total
UNWIND range(0, size(steps) - 1) AS k
WITH role, steps[k + $first] AS step, counts[k + $first] AS patterns,
     1.0 * counts[k + $first] / total AS role_share, influences[k + $first] AS influence,
     shares[k + $first] AS influence_share
WHERE step STARTS WITH 'h'
MATCH (r:Run {id: $run})
MATCH (n:Node {id: r.model + '/' + step + '@0000'})  // the head at position 0 stands for the head
RETURN role, n.layer AS layer, n.head AS head, patterns, role_share, influence, influence_share
ORDER BY role, CASE $rank WHEN 'influence' THEN floor(1000000000 * influence) ELSE 1.0 * patterns END DESC,
         layer, head LIMIT $limit
