// title: Accuracy and influence by word form
// description: For every form of the word in a role: how often the model is right, what influence the word
//   has, and what share of all the model's errors fall on it. A word's pieces are taken together.
// parameters: run, level, subtask
//   role: role  Role of the word.
//   limit: int 1.. = 200  Rows at most.
// columns:
//   word: The word form.
//   condition: Condition of the instances.
//   instances: Instances in which the word has the role.
//   labelled: Those whose label the dataset gives; of the others the model's own prediction is the label.
//   correct: Labelled instances on which the model is right.
//   accuracy: correct / labelled; nothing where none is labelled.
//   occurrences: Such words in these instances, of which the means are taken.
//   mean_total_influence: Mean of g of the word (the sum over its pieces).
//   mean_influence: Mean influence of its patterns (the sum over its pieces).
//   errors: labelled - correct.
//   error_share: errors / the errors of all labelled instances in the run and subtask; nothing where there
//     is none.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask]
WITH count(CASE WHEN NOT e.is_correct AND NOT e.label_is_predicted THEN 1 END) AS all_errors
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance)
WHERE $subtask IN ['', i.subtask]
MATCH (i)-[:HAS_PATTERN]->(p:Pattern {run: $run, level: $level, role: $role})
WITH all_errors, i, NOT e.label_is_predicted AS is_labelled, e.is_correct AS is_correct, p.word AS word,
     p.word_index AS word_index, sum(p.total_influence) AS total_influence, sum(p.influence) AS influence
WITH all_errors, word, i.condition AS condition, count(DISTINCT i) AS instances,
     count(DISTINCT CASE WHEN is_labelled THEN i.id END) AS labelled,
     count(DISTINCT CASE WHEN is_labelled AND is_correct THEN i.id END) AS correct,
     count(*) AS occurrences, avg(total_influence) AS mean_total_influence, avg(influence) AS mean_influence
RETURN word, condition, instances, labelled, correct,
       CASE WHEN labelled > 0 THEN 1.0 * correct / labelled END AS accuracy, occurrences,
       mean_total_influence, mean_influence, labelled - correct AS errors,
       CASE WHEN all_errors > 0 THEN 1.0 * (labelled - correct) / all_errors END AS error_share
ORDER BY word, condition LIMIT $limit
