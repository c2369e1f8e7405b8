// title: Most influential words, by role and sign
// description: The words with the largest mean total influence, the pieces of a word taken together.
// parameters: run, level, subtask, condition, role, limit
//   sign: int -1|0|1 = 0  1: words with total influence >= 0; -1: the others; 0: both.
//   at_least: int 1.. = 1  Only words that occur in at least this many instances.
// columns:
//   role: Role of the word.
//   sign: 1 where the word's total influence in the sentence >= 0, else -1.
//   word: The word.
//   instances: Instances in which the word has the role and the sign.
//   mean_total_influence: Mean of g over the word's occurrences (the sum over its pieces).
//   mean_influence: Mean influence of its patterns (the sum over its pieces).
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition] AND $role IN ['', p.role]
WITH i.id AS instance, p.role AS role, p.word AS word, p.word_index AS word_index,
     sum(p.total_influence) AS total_influence, sum(p.influence) AS influence
WITH instance, role, word, total_influence, influence, CASE WHEN total_influence >= 0 THEN 1 ELSE -1 END AS sign
WHERE $sign IN [0, sign]
WITH role, sign, word, count(DISTINCT instance) AS instances, avg(total_influence) AS mean_total_influence,
     avg(influence) AS mean_influence
WHERE instances >= $at_least
RETURN role, sign, word, instances, mean_total_influence, mean_influence
ORDER BY floor(1000000 * abs(mean_total_influence)) DESC, role, word, sign LIMIT $limit
