"""The mapping workbook from the screen: download it, look at what an edited one changes, apply it, see who signed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from model import mapping_export, mapping_import, signatures
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.rejects import request_replay
from model.serve.syncing import must_look_after

_NAME = "mapping.xlsx"


def mapping_workbook(viewer: Viewer, db: Served) -> bytes:
    """The workbook of this instance's mappings; FatalError for who does not look after sources."""
    must_look_after(viewer)
    with tempfile.TemporaryDirectory() as folder:
        return mapping_export.write(mapping_export.document(db.instance), Path(folder) / _NAME).read_bytes()


def mapping_signatures(_viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    """One row per source: source, version, signatures [{side, name, signed_on, version, holds}], is_signed."""
    return signatures.states(db.instance)


def mapping_difference(viewer: Viewer, db: Served, workbook: bytes) -> dict[str, Any]:
    """{changes[{sheet, cell, kind, source, key, column, before, after}], problems[text], signatures[…]} of a workbook.

    FatalError for who does not look after sources and for a file that is no mapping workbook.
    """
    must_look_after(viewer)
    found = _difference(db, workbook)
    return {
        "changes": [vars(one) for one in found.changes],
        "problems": found.problems,
        "signatures": [vars(one) for one in found.signatures],
    }


def apply_mapping(viewer: Viewer, db: Served, workbook: bytes) -> list[str]:
    """Apply an edited workbook and ask for a replay of each source that it changes; their names.

    FatalError for who does not look after sources and while a cell cannot be applied; nothing is written then.
    """
    must_look_after(viewer)
    changed = mapping_import.apply(db.instance, _difference(db, workbook), viewer.user)
    for source in changed:
        request_replay(viewer, db, source)
    return changed


def _difference(db: Served, workbook: bytes) -> mapping_import.Difference:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _NAME
        path.write_bytes(workbook)
        return mapping_import.difference(db.instance, path)
