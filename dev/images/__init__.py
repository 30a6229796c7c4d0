"""Builds the project's images on this machine, with Docker where an engine answers, else buildah.

Every image is addressed by what decides it: the stages of its Dockerfile, the part of
uv.lock that it installs, the sources. What is present is not built again. It uses the
standard library alone, because it runs before anything else is installed.
"""
