"""Scores of tokens by the gradient of the quantity of interest, at the input or along the path to it."""
