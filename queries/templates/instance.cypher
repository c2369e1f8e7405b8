// title: One instance and what the run found out about it
// description: The sentence, its tokens and roles, the quantity of interest and how complete the influences
//   are.
// parameters: run, instance
// columns:
//   instance: Id of the instance.
//   dataset: Its dataset.
//   name: The row's own name in its dataset.
//   subtask: Its subtask.
//   condition: Its condition.
//   text: Its sentence.
//   correct: The correct word (empty for a classifier).
//   wrong: The wrong word (empty for a classifier).
//   label: Class index that the dataset gives, else -1.
//   class_name: Name of the class that is right, or without a label of the predicted one; empty where no class
//     is, as for a masked language model.
//   toward: What the quantity of interest's first logit is of: a class, or a piece of the vocabulary.
//   against: The same of the logit subtracted from it; empty where there is none.
//   qoi: The quantity of interest at the sentence.
//   qoi_baseline: The same at the baseline; nothing where the method has none.
//   is_correct: Whether the model is right: the correct word has the larger logit, or the label the largest.
//   completeness_error: Sum of the words' total influences - (qoi - qoi_baseline); nothing without baseline.
//   target: Position whose logits the quantity of interest reads.
//   label_is_predicted: Whether the label is the model's own prediction, the dataset giving none; accuracies
//     leave such instances out.
//   tokens: Tokens by position.
//   words: The word that each token belongs to.
//   roles: Roles by position.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance {id: $instance})
RETURN i.id AS instance, i.dataset AS dataset, i.name AS name, i.subtask AS subtask, i.condition AS condition,
       i.text AS text, i.correct AS correct, i.wrong AS wrong, i.label AS label,
       CASE WHEN e.label < 0 OR size(r.classes) = 0 THEN '' ELSE r.classes[e.label + $first] END AS class_name,
       e.toward AS toward, e.against AS against, e.qoi AS qoi, e.qoi_baseline AS qoi_baseline, e.is_correct AS is_correct,
       e.completeness_error AS completeness_error, e.target AS target,
       e.label_is_predicted AS label_is_predicted, e.tokens AS tokens, e.words AS words, e.roles AS roles
