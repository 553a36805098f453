"""Real third-party systems, installed into a cache folder and started on loopback for the tests marked `system`."""
