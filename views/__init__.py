"""Shows. No SQL here: pages ask `model.serve`."""
