"""Questions to the graph: Cypher templates, views of what a store holds, and reports."""
