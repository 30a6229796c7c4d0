"""Rules of dataset.filters: each decides for an example whether it is left out."""
