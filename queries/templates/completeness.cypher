// title: Instances with a large completeness error
// description: Where the words' total influences do not add up to the change of the quantity of interest;
//   such instances need more points. In a run with a tolerance, those that did not settle within it are among them.
//   A run whose method has no baseline has none.
// parameters: run, subtask, condition, limit
//   threshold: float 0.. = 0.05  Only errors above this share of |qoi - qoi at the baseline|.
// columns:
//   instance: Id of the instance.
//   name: The row's own name in its dataset.
//   text: Its sentence.
//   change: qoi - qoi at the baseline.
//   completeness_error: Sum of the words' total influences - change.
//   points: Samples of the path from baseline to input.
//   relative_error: |completeness_error| / |change|; nothing where change is 0.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask] AND $condition IN ['', i.condition]
WITH i, e.points AS points, e.is_settled AS is_settled, e.completeness_error AS completeness_error,
     e.qoi - e.qoi_baseline AS change
WHERE is_settled = false OR abs(completeness_error) > $threshold * abs(change)
RETURN i.id AS instance, i.name AS name, i.text AS text, change, completeness_error, points,
       CASE WHEN change <> 0 THEN abs(completeness_error) / abs(change) END AS relative_error
ORDER BY relative_error DESC, instance LIMIT $limit
