// title: Instances of a run
// description: The instances with what the model made of them; find here what `show` can draw.
// parameters: run, subtask, condition, limit
//   correct: int -1|0|1 = -1  1: only those the model gets right; 0: only those it gets wrong, both of those
//     whose label is the dataset's; -1: all.
// columns:
//   instance: Id of the instance.
//   name: The row's own name in its dataset.
//   subtask: Its subtask.
//   condition: Its condition.
//   text: Its sentence.
//   correct: The correct word.
//   wrong: The wrong word.
//   qoi: The quantity of interest.
//   completeness_error: Sum of the words' total influences - (qoi - qoi at the baseline).
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND ($correct < 0 OR (NOT e.label_is_predicted
                        AND (($correct = 1 AND e.is_correct) OR ($correct = 0 AND NOT e.is_correct))))
RETURN i.id AS instance, i.name AS name, i.subtask AS subtask, i.condition AS condition, i.text AS text,
       i.correct AS correct, i.wrong AS wrong, e.qoi AS qoi, e.completeness_error AS completeness_error
ORDER BY instance LIMIT $limit
