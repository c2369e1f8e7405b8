"""The layouts in which a dataset may come, each read as a stream of rows."""
