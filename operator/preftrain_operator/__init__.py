"""The Preftrain operator: turns PreferenceTrainingJobs into Jobs and reports how they go."""

__version__ = "0.1.0"
