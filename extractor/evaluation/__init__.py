"""How well patterns explain a model: ablation, concentration, alignment, entropy, optimality."""
