"""Talks to the Kubernetes API and to training pods, behind small ports."""
