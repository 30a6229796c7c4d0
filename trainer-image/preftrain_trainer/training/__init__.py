"""The optimisation itself."""
