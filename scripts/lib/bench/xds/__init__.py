"""`scripts/bench xds`: thousands of sidecars on one control plane."""
