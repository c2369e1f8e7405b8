// title: Concentration
// description: How much of the words' total influence their patterns carry, by sign.
// parameters: run, level, subtask, condition
// columns:
//   sign: 1 for words with total influence >= 0 (Pi_+), -1 for the others (Pi_-).
//   instances: Instances with such a word and a sum of g other than 0.
//   concentration: Sum of the patterns' influences / sum of the words' g within an instance, averaged over
//     these instances.
MATCH (i:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level})
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH i.id AS instance, p.sign AS sign, sum(p.influence) AS carried, sum(p.total_influence) AS total
WHERE total <> 0
RETURN sign, count(*) AS instances, avg(carried / total) AS concentration
ORDER BY sign DESC
