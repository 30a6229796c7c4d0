"""Preference data: files, shapes, splits, tokens."""
