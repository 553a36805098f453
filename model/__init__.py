"""Gives meaning: mapping, identity, dimensions, marts, scores, alerts, permissions, serve."""
