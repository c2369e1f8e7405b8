"""How good greedy patterns are, beside wider searches."""
