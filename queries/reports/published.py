"""The numbers that Lu et al. (2021) print, for comparison: never computed here."""

TASKS = ("obj", "subj", "wsc", "app", "na", "ga", "sentiment")
MODELS = "BERT_SMALL (L6 H512 A8); sentiment: BERT-base fine-tuned on SST-2"

TABLE1: dict[str, tuple[float, ...]] = {
    "accuracy: Pi_+^e": (0.96, 0.99, 1.0, 0.96, 0.98, 0.99, 0.97),
    "accuracy: random^e": (0.55, 0.60, 0.55, 0.55, 0.55, 0.56, 0.52),
    "accuracy: attention^e": (0.61, 0.55, 0.49, 0.63, 0.56, 0.65, 0.47),
    "accuracy: conductance^e": (0.93, 0.91, 0.88, 0.90, 0.71, 0.95, 0.94),
    "accuracy: internal influence^e": (0.66, 0.71, 0.50, 0.56, 0.68, 0.50, 0.49),
    "accuracy: Pi_+^a": (0.70, 0.62, 0.56, 0.65, 0.78, 0.89, 0.86),
    "accuracy: random^a": (0.50, 0.50, 0.50, 0.50, 0.50, 0.50, 0.49),
    "accuracy: skips replaced^a": (0.50, 0.58, 0.54, 0.52, 0.55, 0.50, 0.48),
    "accuracy: original": (0.96, 1.0, 1.0, 1.0, 0.83, 0.73, 0.92),
    "concentration: Pi_+^e": (0.33, 0.30, 0.27, 0.33, 0.31, 0.22, 0.07),
    "concentration: Pi_-^e": (0.29, 0.30, 0.38, 0.31, 0.31, 0.23, 0.05),
    "share: Pi_+^e": (0.06, 0.09, 0.03, 0.06, 0.04, 0.02, 0.01),
    "concentration: Pi_+^a": (0.21, 0.18, 0.16, 0.18, 0.18, 0.14, 0.01),
    "concentration: Pi_-^a": (0.17, 0.16, 0.25, 0.15, 0.17, 0.15, 0.01),
    "share: Pi_+^a": (1.8e-6, 1.7e-6, 1.6e-6, 1.5e-6, 1.3e-6, 1.3e-6, 0.03e-6),
    "alignment": (0.58, 0.57, 0.57, 0.59, 0.46, 0.53, 0.34),
}
"""Table 1, by figure and task."""
SKIP_SHARE = 0.754
"""Skips among all steps through a skip or head, over all tasks."""
