"""What everything stands on and that knows nothing of customers: instance, clock, store, leases, secrets, texts."""
