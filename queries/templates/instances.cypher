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
//   class_name: Name of the class that is right, or without a label of the predicted one; empty where no class
//     is, as for a masked language model.
//   toward: What the quantity of interest's first logit is of: a class, or a piece of the vocabulary.
//   against: The same of the logit subtracted from it; empty where there is none.
//   qoi: The quantity of interest.
//   completeness_error: Sum of the words' total influences - (qoi - qoi at the baseline); nothing where the
//     method has no baseline.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
  AND ($correct < 0 OR (NOT e.label_is_predicted
                        AND (($correct = 1 AND e.is_correct) OR ($correct = 0 AND NOT e.is_correct))))
RETURN i.id AS instance, i.name AS name, i.subtask AS subtask, i.condition AS condition, i.text AS text,
       i.correct AS correct, i.wrong AS wrong,
       CASE WHEN e.label < 0 OR size(r.classes) = 0 THEN '' ELSE r.classes[e.label + $first] END AS class_name,
       e.toward AS toward, e.against AS against, e.qoi AS qoi, e.completeness_error AS completeness_error
ORDER BY instance LIMIT $limit
