// title: Model accuracy
// description: How often the model prefers the correct answer in each subtask and condition.
// parameters: run, subtask, condition
// columns:
//   subtask: Subtask of the instances.
//   condition: Condition of the instances.
//   instances: Instances evaluated.
//   labelled: Those whose label the dataset gives; of the others the model's own prediction is the label.
//   correct: Labelled instances on which the model is right.
//   accuracy: correct / labelled; nothing where none is labelled.
//   mean_qoi: Mean quantity of interest.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH i.subtask AS subtask, i.condition AS condition, count(*) AS instances,
     count(CASE WHEN NOT e.label_is_predicted THEN 1 END) AS labelled,
     count(CASE WHEN e.is_correct AND NOT e.label_is_predicted THEN 1 END) AS correct, avg(e.qoi) AS mean_qoi
RETURN subtask, condition, instances, labelled, correct,
       CASE WHEN labelled > 0 THEN 1.0 * correct / labelled END AS accuracy, mean_qoi
ORDER BY subtask, condition
