"""What several tiers of tests share: fixtures that start real servers."""
