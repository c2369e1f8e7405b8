// title: Influence by role and sign
// description: How much total influence the words of each role have, and how much of it their patterns
//   carry.
// parameters: run, level, subtask, condition
// columns:
//   role: Role of the word.
//   sign: 1 where the word's total influence >= 0, else -1.
//   patterns: Patterns of such words.
//   instances: Instances with such a word.
//   mean_total_influence: Mean of g over these words.
//   mean_influence: Mean influence of their patterns.
//   total_share: Sum of |g| over these words / sum of |g| over all words in scope.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH p.role AS role, p.sign AS sign, count(*) AS patterns, count(DISTINCT i) AS instances,
     avg(p.total_influence) AS mean_total_influence, avg(p.influence) AS mean_influence,
     sum(abs(p.total_influence)) AS weight
WITH sum(weight) AS total,
     collect({role: role, sign: sign, patterns: patterns, instances: instances, weight: weight,
              mean_total_influence: mean_total_influence, mean_influence: mean_influence}) AS groups
WHERE total > 0
UNWIND groups AS g
RETURN g.role AS role, g.sign AS sign, g.patterns AS patterns, g.instances AS instances,
       g.mean_total_influence AS mean_total_influence, g.mean_influence AS mean_influence,
       g.weight / total AS total_share
ORDER BY role, sign DESC
