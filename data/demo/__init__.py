"""The demo company: a seeded generator of one fictional firm and simulators of the four systems it runs."""
