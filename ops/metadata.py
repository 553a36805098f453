"""What every table of the operational store belongs to."""

from __future__ import annotations

from sqlalchemy import MetaData

metadata = MetaData()
