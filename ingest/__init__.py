"""Gets documents from source systems and lands them. Knows vendors' transport, not meaning."""
