"""Shapes of rows in public preference sets: recognised by their columns, turned into examples."""
