"""Makes an adapter visible, whole or not at all."""
