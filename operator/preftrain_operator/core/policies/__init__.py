"""The rules that `core.decide` asks in turn; one file a concern, each with its own tests."""
