"""Benchmarks against peers: both sides run in turn on the same machine, and the ratio decides."""
