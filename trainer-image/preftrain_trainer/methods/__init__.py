"""The alignment methods as data: their losses, what they ask of data, which classes train them."""
