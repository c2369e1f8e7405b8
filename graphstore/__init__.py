"""The graph: its schema, the computation graph, run directories and the two stores."""
