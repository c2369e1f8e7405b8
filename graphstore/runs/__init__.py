"""Run directories: the durable result of an extraction."""
