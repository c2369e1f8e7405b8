// title: Words ranked by attribution, by role and sign
// description: The words that get the largest share of a text's scores, the pieces of a word taken together.
// parameters: run, subtask, condition, limit
//   role: role = ""  Only words in this role; all where empty.
//   sign: int -1|0|1 = 0  1: words with a score >= 0; -1: the others; 0: both.
//   at_least: int 1.. = 1  Only words that occur in at least this many instances.
// columns:
//   role: Role of the word.
//   sign: 1 where the word's score in the sentence >= 0, else -1.
//   word: The word.
//   instances: Instances in which the word has the role and the sign.
//   mean_score: Mean score of the word's occurrences (the sum over its pieces).
//   score_share: |score| / sum of |score| over the instance's words, mean over the occurrences.
//   mean_rank: Mean of the word's rank in its instance: 1 and how many words have a larger |score|.
MATCH (r:Run {id: $run})-[e:ATTRIBUTES]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (r)-[p:PREDICTED]->(i)
UNWIND range(0, size(e.scores) - 1) AS k
WITH i.id AS instance, p.roles[k + $first] AS role, p.words[k + $first] AS word,
     p.word_indices[k + $first] AS word_index, e.scores[k + $first] AS part
WITH instance, role, word, word_index, sum(part) AS score
WITH instance, sum(abs(score)) AS whole, collect(role) AS roles, collect(word) AS words, collect(score) AS scores
UNWIND range(0, size(scores) - 1) AS k
UNWIND range(0, size(scores) - 1) AS other
WITH instance, whole, k, roles[k + $first] AS role, words[k + $first] AS word, scores[k + $first] AS score,
     abs(scores[other + $first]) - abs(scores[k + $first]) AS ahead
WITH instance, k, role, word, score, CASE WHEN whole > 0 THEN abs(score) / whole ELSE 0.0 END AS part,
     CASE WHEN score >= 0 THEN 1 ELSE -1 END AS sign, 1 + count(CASE WHEN ahead > 0.000000000001 THEN 1 END) AS place
WHERE $sign IN [0, sign] AND $role IN ['', role]
WITH role, sign, word, count(DISTINCT instance) AS instances, avg(score) AS mean_score, avg(part) AS score_share,
     avg(1.0 * place) AS mean_rank
WHERE instances >= $at_least
RETURN role, sign, word, instances, mean_score, score_share, mean_rank
ORDER BY floor(1000000000 * score_share) DESC, role, word, sign LIMIT $limit
