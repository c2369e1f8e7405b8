"""Scores of tokens by what the model says where they are replaced."""
