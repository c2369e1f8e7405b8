"""Ablated accuracy: what a model can do with some nodes alone."""
