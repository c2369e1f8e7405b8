"""The methods that explain a model, each by its name."""
