"""What ships with the product: the demo company with its vendor simulators, and reference data."""
