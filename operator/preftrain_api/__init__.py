"""The contract between users, operator and trainer: the resource, and what pods exchange.

Depends on pydantic and a YAML reader alone; the operator and the trainer both import it and
never each other.
"""
