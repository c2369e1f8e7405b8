// title: Outcomes of a run's instances
// description: What the model said of each instance, and the instance's total influence: what intervals over
//   instances are computed from.
// parameters: run, subtask, condition
//   limit: int 1.. = 1000  Rows at most.
// columns:
//   instance: Id of the instance.
//   subtask: Its subtask.
//   condition: Its condition.
//   roles: Roles by position.
//   target: Position whose logits the quantity of interest reads.
//   is_labelled: Whether the dataset gives its label; else the model's own prediction is the label.
//   is_correct: Whether the model is right.
//   qoi: The quantity of interest.
//   change: qoi - qoi at the baseline; nothing where the method has none.
//   total_influence: Sum of the words' total influences; nothing as above.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
RETURN i.id AS instance, i.subtask AS subtask, i.condition AS condition, e.roles AS roles, e.target AS target,
       NOT e.label_is_predicted AS is_labelled, e.is_correct AS is_correct, e.qoi AS qoi,
       e.qoi - e.qoi_baseline AS change, e.qoi - e.qoi_baseline + e.completeness_error AS total_influence
ORDER BY instance LIMIT $limit
