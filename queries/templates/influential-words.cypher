// title: Words ranked by influence or count, by role and sign
// description: The words with the largest mean total influence, the pieces of a word taken together.
// parameters: run, level, subtask, condition, role, limit
//   sign: int -1|0|1 = 0  1: words with total influence >= 0; -1: the others; 0: both.
//   at_least: int 1.. = 1  Only words that occur in at least this many instances.
//   rank: string total|influence|count = total  What comes first: the largest mean |g| of an occurrence, the
//     most influence over all instances, or the most instances.
// columns:
//   role: Role of the word.
//   sign: 1 where the word's total influence in the sentence >= 0, else -1.
//   word: The word.
//   instances: Instances in which the word has the role and the sign.
//   mean_total_influence: Mean of g over the word's occurrences (the sum over its pieces).
//   mean_influence: Mean influence of its patterns (the sum over its pieces).
//   influence: Sum of |influence| of its patterns in an instance, averaged over all instances that have a
//     pattern of the level (one without the word counts 0).
//   influence_share: The same of each instance's sum over the patterns of all words.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH i.id AS instance, p.role AS role, p.word AS word, p.word_index AS word_index,
     sum(p.total_influence) AS total, sum(p.influence) AS carried, sum(abs(p.influence)) AS weight
WITH instance, sum(weight) AS whole, collect(role) AS roles, collect(word) AS words, collect(total) AS totals,
     collect(carried) AS carriers, collect(weight) AS weights
WITH collect({whole: whole, roles: roles, words: words, totals: totals, carriers: carriers, weights: weights}) AS found
UNWIND range(0, size(found) - 1) AS number
WITH size(found) AS all_instances, number, found[number + $first] AS o
UNWIND range(0, size(o.words) - 1) AS k
WITH all_instances, number, o.roles[k + $first] AS role, o.words[k + $first] AS word, o.totals[k + $first] AS total,
     o.carriers[k + $first] AS carried, o.weights[k + $first] AS weight,
     CASE WHEN o.whole > 0 THEN o.weights[k + $first] / o.whole ELSE 0.0 END AS part
WITH all_instances, number, role, word, total, carried, weight, part, CASE WHEN total >= 0 THEN 1 ELSE -1 END AS sign
WHERE $sign IN [0, sign] AND $role IN ['', role]
WITH role, sign, word, count(DISTINCT number) AS instances, avg(total) AS mean_total_influence,
     avg(carried) AS mean_influence, sum(weight) / max(all_instances) AS influence,
     sum(part) / max(all_instances) AS influence_share
WHERE instances >= $at_least
RETURN role, sign, word, instances, mean_total_influence, mean_influence, influence, influence_share
ORDER BY CASE $rank WHEN 'count' THEN 1.0 * instances WHEN 'influence' THEN floor(1000000000 * influence)
         ELSE floor(1000000 * abs(mean_total_influence)) END DESC, role, word, sign LIMIT $limit
