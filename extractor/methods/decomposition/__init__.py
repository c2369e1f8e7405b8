"""Attention blocks taken apart into one vector per token: ALTI and its relatives."""
