"""The shape that both stores share, what they hold read back, and what is wrong with it."""
