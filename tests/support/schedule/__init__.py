"""A cluster with two operators, driven by a seeded schedule one request at a time."""
