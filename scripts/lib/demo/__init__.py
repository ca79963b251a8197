"""The main job on one machine: a control plane, six workers, three Envoys, load, and things that go wrong."""
