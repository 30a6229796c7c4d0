"""The local cluster: a real Kubernetes on one machine, for tests, the demo and development.

It owns the programs (built from Go modules), a control plane for tests, a whole node,
and the supervision of their processes. It uses the standard library alone, because it
runs before anything else is installed.
"""
