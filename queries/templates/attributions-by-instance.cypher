// title: Scores of each instance's tokens, as lists
// description: What intervals over instances are computed from: lists by position, and by layer.
// parameters: run, subtask, condition
//   limit: int 1.. = 1000  The most rows to return.
// columns:
//   instance: Id of the instance.
//   subtask: Its subtask.
//   condition: Its condition.
//   method: Whose scores they are.
//   target: Position whose logits the quantity of interest reads.
//   words: The word that each token belongs to.
//   word_indices: Which whitespace word of the text that is; -1 of special tokens.
//   roles: Roles by position.
//   scores: Scores by position.
//   cut_layers: By position, the layer that holds most of the token's minimum cut, 0 where there is none; empty
//     unless the method is flow.
//   mixing: By layer, how much is not the own token's, mean over positions; empty of methods without layers.
MATCH (r:Run {id: $run})-[e:ATTRIBUTES]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
MATCH (r)-[p:PREDICTED]->(i)
RETURN i.id AS instance, i.subtask AS subtask, i.condition AS condition, e.method AS method, p.target AS target,
       p.words AS words, p.word_indices AS word_indices, p.roles AS roles, e.scores AS scores,
       coalesce(e.cut_layers, []) AS cut_layers, coalesce(e.mixing, []) AS mixing
ORDER BY instance LIMIT $limit
