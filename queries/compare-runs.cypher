// title: Two runs compared on the same instances
// description: How often two runs (two methods, models or settings) choose the same path for the same word
//   of the same instance.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   other: run  The run it is compared with.
//   level: level = finest  `attention` or `embedding`; `finest` is attention where the run has it.
//   subtask: string = ""  Only instances of this subtask; all where empty.
//   condition: string = ""  Only instances of this condition; all where empty.
// columns:
//   subtask: Subtask of the instances.
//   role: Role of the word in the first run.
//   patterns: Words that have a pattern in both runs (the same instance and position).
//   same_paths: Those whose paths are equal.
//   same_path_share: same_paths / patterns.
//   same_sign_share: Share of the patterns with the same sign in both.
//   mean_influence: Mean influence of the first run's patterns.
//   other_mean_influence: Mean influence of the other run's.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (i)-[:HAS_PATTERN]->(q:Pattern {run: $other, level: $level})
WHERE p.position = q.position
RETURN i.subtask AS subtask, p.role AS role, count(*) AS patterns,
       count(CASE WHEN p.route = q.route THEN 1 END) AS same_paths,
       1.0 * count(CASE WHEN p.route = q.route THEN 1 END) / count(*) AS same_path_share,
       1.0 * count(CASE WHEN p.sign = q.sign THEN 1 END) / count(*) AS same_sign_share,
       avg(p.influence) AS mean_influence, avg(q.influence) AS other_mean_influence
ORDER BY subtask, role
