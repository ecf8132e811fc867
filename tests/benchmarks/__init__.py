"""Speed and size beside the peers: run with ``python -m tests.benchmarks``."""
