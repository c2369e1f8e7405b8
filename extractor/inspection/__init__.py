"""What a model is, what can be asked of it, what that costs here, and whether its adapter is right."""
