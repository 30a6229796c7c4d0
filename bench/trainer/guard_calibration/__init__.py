"""Calibrates the guards on many short runs of a real model."""
