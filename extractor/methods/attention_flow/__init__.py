"""Attention rollout and attention flow (Abnar & Zuidema 2020), and the Shapley values of flows."""
