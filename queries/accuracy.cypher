// title: Model accuracy
// description: How often the model prefers the correct answer in each subtask and condition.
// parameters:
//   run: run = newest  The run: a unique prefix of its id, or `newest` for the newest complete one.
//   subtask: subtask = ""  Only instances of this subtask; all where empty.
//   condition: condition = ""  Only instances of this condition; all where empty.
// columns:
//   subtask: Subtask of the instances.
//   condition: Condition of the instances.
//   instances: Instances evaluated.
//   correct: Those whose quantity of interest is above 0.
//   accuracy: correct / instances.
//   mean_qoi: Mean quantity of interest.
MATCH (r:Run {id: $run})-[e:EVALUATED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH i.subtask AS subtask, i.condition AS condition, count(*) AS instances,
     count(CASE WHEN e.is_correct THEN 1 END) AS correct, avg(e.qoi) AS mean_qoi
RETURN subtask, condition, instances, correct, 1.0 * correct / instances AS accuracy, mean_qoi
ORDER BY subtask, condition
