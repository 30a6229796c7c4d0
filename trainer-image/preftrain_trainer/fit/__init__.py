"""How a run is laid out on its device."""
