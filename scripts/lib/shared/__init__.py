"""What the demo and the benchmarks have in common."""
