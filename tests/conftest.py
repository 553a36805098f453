"""Settings that every test shares."""

import os

os.environ.setdefault("C360_STRICT_TEXTS", "1")
os.environ.setdefault("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")
