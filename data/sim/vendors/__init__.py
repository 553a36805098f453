"""One vendor per file: its data in its own shape, its protocol, its quirks."""
