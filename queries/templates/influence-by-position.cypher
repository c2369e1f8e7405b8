// title: Influence by position
// description: How large the influence of the words at each position and of their patterns is. Positions are
//   comparable within one structure only.
// parameters: run, level, subtask, condition, roles
// columns:
//   position: Position of the word.
//   role: Its role.
//   instances: Instances in which there is a pattern of a word at the position.
//   mean_absolute_total: Mean |g| of these words.
//   mean_total_influence: Mean g of these words.
//   mean_absolute_influence: Mean |influence| of their patterns.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND (size($roles) = 0 OR e.roles = $roles)
MATCH (i)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
RETURN p.position AS position, p.role AS role, count(*) AS instances,
       avg(abs(p.total_influence)) AS mean_absolute_total, avg(p.total_influence) AS mean_total_influence,
       avg(abs(p.influence)) AS mean_absolute_influence
ORDER BY position, role
