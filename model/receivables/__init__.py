"""Money owed: open items on two axes of time, aging, ratios. Definitions: docs/concepts.md, product definitions."""

from model.receivables.items import BUCKETS, bucket_of, open_items_sql
from model.receivables.ratios import cei, countback, ratio_dso

__all__ = ["BUCKETS", "bucket_of", "cei", "countback", "open_items_sql", "ratio_dso"]
