"""What can go wrong, what happens then, and which tests show it: the page and the full run."""
