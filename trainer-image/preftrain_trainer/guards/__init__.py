"""What ends a run that cannot become a good adapter."""
