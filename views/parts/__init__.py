"""Pieces that pages are put together from: safe HTML, number formats, panels, charts, the top bar."""
