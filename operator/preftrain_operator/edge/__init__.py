"""The outermost ring: kopf, metrics, probes and logs."""
