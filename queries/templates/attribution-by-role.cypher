// title: Attribution by role
// description: What share of a text's scores the tokens of each role get, and how they rank: special tokens
//   (cls, sep, bos, ...) against words.
// parameters: run, subtask, condition
// columns:
//   role: Role of the token.
//   tokens: Tokens of the role.
//   instances: Instances with such a token.
//   mean_score: Mean score of the tokens.
//   score_share: Sum of |score| of the tokens / sum of |score| over all tokens of the instance, averaged over all
//     instances (one without such a token counts 0).
//   mean_rank: Mean of the token's rank in its instance: 1 and how many tokens have a larger |score|.
MATCH (:Run {id: $run})-[:ATTRIBUTES]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH count(*) AS all_instances
MATCH (r:Run {id: $run})-[e:ATTRIBUTES]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (r)-[p:PREDICTED]->(i)
UNWIND range(0, size(e.scores) - 1) AS k
UNWIND range(0, size(e.scores) - 1) AS other
WITH all_instances, i.id AS instance, k, p.roles[k + $first] AS role, e.scores[k + $first] AS score,
     abs(e.scores[other + $first]) AS weight
WITH all_instances, instance, k, role, score, sum(weight) AS whole,
     1 + count(CASE WHEN weight > abs(score) THEN 1 END) AS place
WITH all_instances, instance, role, score, place, CASE WHEN whole > 0 THEN abs(score) / whole ELSE 0.0 END AS part
RETURN role, count(*) AS tokens, count(DISTINCT instance) AS instances, avg(score) AS mean_score,
       sum(part) / max(all_instances) AS score_share, avg(1.0 * place) AS mean_rank
ORDER BY floor(1000000000 * score_share) DESC, role
