"""The report of a run: one page that stands for itself, and pictures of its main curves."""
