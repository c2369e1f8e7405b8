"""A batch traced forward and backward, and tangents moved through its layers."""
