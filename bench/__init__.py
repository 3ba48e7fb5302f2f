"""Benchmarks. `python -m bench` (or `make bench`) measures a gateway of this checkout against the physical limit."""
