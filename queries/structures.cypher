// title: Sentence structures
// description: The lengths and target positions of each subtask's sentences; positions are comparable
//   within one structure only.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   subtask: string = ""  Only instances of this subtask; all where empty.
//   condition: string = ""  Only instances of this condition; all where empty.
// columns:
//   subtask: Subtask of the instances.
//   length: Tokens in the sentence, special ones included.
//   target: Position whose logits the quantity of interest reads.
//   instances: Instances of this structure.
MATCH (r:Run {id: $run})-[e:EVALUATED]->(i:Instance)
WHERE ($subtask = '' OR i.subtask = $subtask) AND ($condition = '' OR i.condition = $condition)
RETURN i.subtask AS subtask, size(e.tokens) AS length, e.target AS target, count(*) AS instances
ORDER BY subtask, length, target
