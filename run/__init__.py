"""Starts things: the `c360` command, the scheduler daemon, and the chain sync → build → publish → alert."""
