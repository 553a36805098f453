"""Benchmarks: `python -m bench NAME --json`, figures as ratios against a peer in the same run."""
