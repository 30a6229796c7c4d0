"""Saves the state of training so that nothing is lost, and finds it again."""
