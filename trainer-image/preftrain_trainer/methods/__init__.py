"""The alignment methods as data."""
