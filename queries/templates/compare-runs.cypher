// title: Two runs compared on the same instances
// description: How often two runs (two methods, models or settings) choose the same path for the same word
//   of the same instance.
// parameters: run, other, level, subtask, condition
// columns:
//   subtask: Subtask of the instances.
//   role: Role of the word in the first run.
//   patterns: Words that have a pattern in both runs (the same instance and position).
//   same_paths: Those whose paths are equal.
//   same_path_share: same_paths / patterns.
//   same_sign_share: Share of the patterns with the same sign in both.
//   mean_influence: Mean influence of the first run's patterns.
//   other_mean_influence: Mean influence of the other run's.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {level: $level})
WHERE p.run IN [$run, $other] AND $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
// One scan of both: a join of an instance's patterns grows with the square of its words.
WITH i, p.position AS position, count(*) AS runs, max(CASE WHEN p.run = $run THEN p.role ELSE '' END) AS role,
     min(p.route) AS route, max(p.route) AS other_route, min(p.sign) AS sign, max(p.sign) AS other_sign,
     sum(CASE WHEN p.run = $run THEN p.influence ELSE 0.0 END) AS influence,
     sum(CASE WHEN p.run = $other THEN p.influence ELSE 0.0 END) AS other_influence
WHERE runs = CASE WHEN $run = $other THEN 1 ELSE 2 END
WITH i.subtask AS subtask, role, count(*) AS patterns,
     count(CASE WHEN route = other_route THEN 1 END) AS same_paths,
     count(CASE WHEN sign = other_sign THEN 1 END) AS same_signs,
     avg(influence) AS mean_influence, avg(other_influence) AS other_mean_influence
RETURN subtask, role, patterns, same_paths, 1.0 * same_paths / patterns AS same_path_share,
       1.0 * same_signs / patterns AS same_sign_share, mean_influence, other_mean_influence
ORDER BY subtask, role
