"""Judges data before they are trained on."""
