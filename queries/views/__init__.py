"""What a store holds of an instance, a condition or an evaluation, as Python values."""
