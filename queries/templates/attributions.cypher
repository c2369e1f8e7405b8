// title: Scores of tokens
// description: What a run says of each token: of a run of paths, the integrated gradients that they refine.
// parameters: run
//   instance: instance = ""  Only this instance: its id, the row's own name, or a unique prefix of the id; all
//     where empty.
//   method: string = ""  Only scores of this method; all where empty.
//   limit: int 1.. = 1000  The most rows to return.
// columns:
//   instance: Id of the instance.
//   method: Whose scores they are.
//   position: Position of the token.
//   token: The token.
//   word: The word that it belongs to.
//   role: Its role.
//   score: Its score; 0 for a token that is not heard.
MATCH (r:Run {id: $run})-[e:ATTRIBUTES]->(i:Instance)
WHERE $instance IN ['', i.id] AND $method IN ['', e.method]
MATCH (r)-[p:PREDICTED]->(i)
UNWIND range(0, size(e.scores) - 1) AS position
RETURN i.id AS instance, e.method AS method, position, p.tokens[position + $first] AS token,
       p.words[position + $first] AS word, p.roles[position + $first] AS role,
       e.scores[position + $first] AS score
ORDER BY instance, position LIMIT $limit
