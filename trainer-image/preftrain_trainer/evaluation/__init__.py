"""Judges the adapter on pairs that it was not trained on."""
