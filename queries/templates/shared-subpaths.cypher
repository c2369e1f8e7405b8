// title: Shared subpaths
// description: Which sequences of k nodes the patterns of most instances hold, or carry the most influence,
//   with each node named by its absolute position, by the role of its position, or by its position relative to
//   the target.
// parameters: run, level, subtask, condition, role, sign, limit
//   rank: string count|influence = count  What comes first: the most instances, or the most influence.
//   k: int 2.. = 3  Nodes in a subpath.
//   by: string position|role|target = position  What names the place of a node.
// columns:
//   subpath: The labels of k consecutive nodes. x: input, e: embedding, h: head, s: skip; layer 3, head 7 at
//     position 12 is `h03.07@0012`, two positions before the target `h03.07-0002`, at the subject
//     `h03.07:subject.........` (padded with dots to one width).
//   instances: Instances with a pattern that holds the subpath.
//   instance_share: Of the instances that have a pattern in scope.
//   patterns: Patterns that hold the subpath.
//   influence: Sum of |influence| of these patterns in an instance, averaged over all instances that have a
//     pattern in scope (one without such a pattern counts 0).
//   influence_share: The same of each instance's sum over all of its patterns in scope.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH i, sum(abs(p.influence)) AS whole,
     collect(CASE $by WHEN 'role' THEN p.role_route WHEN 'target' THEN p.target_route ELSE p.route END) AS routes,
     collect(abs(p.influence)) AS weights
WITH collect(whole) AS wholes, collect(routes) AS found, collect(weights) AS found_weights
UNWIND range(0, size(found) - 1) AS number  // of an instance: integers are the fastest to count
WITH size(found) AS all_instances, number, wholes[number + $first] AS whole,
     found[number + $first] AS routes, found_weights[number + $first] AS weights
UNWIND range(0, size(routes) - 1) AS k
WITH all_instances, number, routes[k + $first] AS route, weights[k + $first] AS weight,
     CASE WHEN whole > 0 THEN weights[k + $first] / whole ELSE 0.0 END AS part
// Many patterns share a route: each counts with the mean weight of those that do.
WITH route, max(all_instances) AS all_instances, collect(number) AS numbers, avg(weight) AS weight,
     avg(part) AS part,
     1 * CASE $by WHEN 'role' THEN $role_stride ELSE $stride END AS width  // not 8 bits
UNWIND range(0, (size(route) + 1) / width - $k) AS start
WITH all_instances, numbers, weight, part, substring(route, start * width + $first, $k * width - 1) AS subpath
UNWIND numbers AS number
WITH subpath, max(all_instances) AS all_instances, count(DISTINCT number) AS instances, count(*) AS patterns,
     sum(weight) AS weight, sum(part) AS part
RETURN subpath, instances, 1.0 * instances / all_instances AS instance_share, patterns,
       weight / all_instances AS influence, part / all_instances AS influence_share
ORDER BY CASE $rank WHEN 'influence' THEN floor(1000000000 * influence) ELSE 1.0 * instances END DESC, subpath
LIMIT $limit
