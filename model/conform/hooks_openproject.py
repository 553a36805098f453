"""OpenProject: links as ids."""

from __future__ import annotations

import polars as pl


def link_id(values: pl.Series) -> pl.Series:
    """The last step of an address (/api/v3/statuses/7 → 7); null where a link leads nowhere."""
    return values.str.extract(r"/([^/?#]+)/?(?:[?#].*)?$")
