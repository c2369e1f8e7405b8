// title: Sentence structures
// description: The sequences of roles in each subtask's sentences; positions are comparable within one
//   structure only.
// parameters: run, subtask, condition
// columns:
//   subtask: Subtask of the instances.
//   length: Tokens in the sentence, special ones included.
//   target: Position whose logits the quantity of interest reads.
//   roles: Roles by position.
//   instances: Instances of this structure.
//   mean_qoi: Mean quantity of interest.
//   example: Id of its first instance.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
RETURN i.subtask AS subtask, size(e.tokens) AS length, e.target AS target, e.roles AS roles,
       count(*) AS instances, avg(e.qoi) AS mean_qoi, min(i.id) AS example
ORDER BY subtask, instances DESC, length, target, example
