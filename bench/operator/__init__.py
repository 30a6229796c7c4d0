"""Measures what a Kubernetes operator costs, from the API server's own audit log.

One etcd, one kube-apiserver and the real Job controller run on this machine; a load generator
creates objects of any kind and plays the kubelet. No module here knows Preftrain: what is
measured is described by a file in `systems/`.
"""
