// title: Shared subpaths
// description: Which sequences of k nodes the patterns of most instances hold, by absolute position.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   level: level = finest  `attention` or `embedding`; `finest` is attention where the run has it.
//   k: int 2.. = 3  Nodes in a subpath.
//   subtask: subtask = ""  Only instances of this subtask; all where empty.
//   condition: condition = ""  Only instances of this condition; all where empty.
//   role: role = ""  Only patterns of words in this role; all where empty.
//   sign: int -1|0|1 = 0  1: patterns of words with total influence >= 0 (Pi_+); -1: the others (Pi_-); 0:
//     both.
//   limit: int 1.. = 20  Rows at most.
// columns:
//   subpath: The labels of k consecutive nodes, such as `h03.07@0012` for layer 3, head 7, position
//     12; x: input, e: embedding, h: head, s: skip.
//   instances: Instances with a pattern that holds the subpath.
//   instance_share: Of the instances that have a pattern in scope.
//   patterns: Patterns that hold the subpath.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND $role IN ['', p.role] AND $sign IN [0, p.sign]
WITH i, collect(p.route) AS routes
WITH collect(routes) AS found  // an instance is its number in this list: integers are the fastest to count
UNWIND range(0, size(found) - 1) AS number
WITH size(found) AS all_instances, number, found[number + $first] AS routes
UNWIND routes AS route
WITH route, max(all_instances) AS all_instances, collect(number) AS numbers  // many patterns share a route
UNWIND range(0, (size(route) + 1) / 12 - $k) AS start
WITH all_instances, numbers, substring(route, start * 12 + $first, $k * 12 - 1) AS subpath
UNWIND numbers AS number
WITH subpath, max(all_instances) AS all_instances, count(DISTINCT number) AS instances, count(*) AS patterns
RETURN subpath, instances, 1.0 * instances / all_instances AS instance_share, patterns
ORDER BY instances DESC, subpath LIMIT $limit
