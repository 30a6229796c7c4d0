"""What `make demo` needs besides a cluster: a real small model, preference pairs, a report.

Nothing here is imported by the operator or the trainer.
"""
