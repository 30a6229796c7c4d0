"""The commands of `preftrain`, one module for each that stands on its own."""
