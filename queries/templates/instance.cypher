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
//   label: Class index of a classifier's instance, else -1.
//   qoi: The quantity of interest at the sentence.
//   qoi_baseline: The same at the baseline.
//   is_correct: Whether the model is right: the quantity of interest is above 0, or for positive-negative on
//     the label's side.
//   completeness_error: Sum of the words' total influences - (qoi - qoi_baseline).
//   target: Position whose logits the quantity of interest reads.
//   label_is_predicted: Whether the label is the model's own prediction, the dataset giving none; accuracies
//     leave such instances out.
//   toward: What the quantity of interest's first logit is of: a piece of the vocabulary, or a class.
//   against: The same of the second; empty where there is one logit.
//   tokens: Tokens by position.
//   words: The word that each token belongs to.
//   roles: Roles by position.
MATCH (r:Run {id: $run})-[e:PREDICTED]->(i:Instance {id: $instance})
RETURN i.id AS instance, i.dataset AS dataset, i.name AS name, i.subtask AS subtask, i.condition AS condition,
       i.text AS text, i.correct AS correct, i.wrong AS wrong, i.label AS label, e.qoi AS qoi,
       e.qoi_baseline AS qoi_baseline, e.is_correct AS is_correct, e.completeness_error AS completeness_error,
       e.target AS target, e.label_is_predicted AS label_is_predicted, e.toward AS toward,
       e.against AS against, e.tokens AS tokens, e.words AS words, e.roles AS roles
