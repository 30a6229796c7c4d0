"""The operator: watches PreferenceTrainingJobs and runs them as Jobs."""
