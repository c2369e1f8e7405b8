// title: Instances on which two runs differ most
// description: The instances in which two runs choose the same path for the fewest words.
// parameters: run, other, level, subtask, condition, limit
// columns:
//   instance: Id of the instance.
//   name: The row's own name in its dataset.
//   text: Its sentence.
//   patterns: Words that have a pattern in both runs.
//   same_paths: Those whose paths are equal.
//   same_path_share: same_paths / patterns.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {level: $level})
WHERE p.run IN [$run, $other] AND $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
// One scan of both: a join of an instance's patterns grows with the square of its words.
WITH i, p.position AS position, count(*) AS runs, min(p.route) AS route, max(p.route) AS other_route
WHERE runs = CASE WHEN $run = $other THEN 1 ELSE 2 END
WITH i, count(*) AS patterns, count(CASE WHEN route = other_route THEN 1 END) AS same_paths
RETURN i.id AS instance, i.name AS name, i.text AS text, patterns, same_paths,
       1.0 * same_paths / patterns AS same_path_share
ORDER BY same_path_share, instance LIMIT $limit
