"""The trainer: judges preference data, trains an adapter on them and publishes it."""
