"""`c360 source new`: a commented connector, a mapping to fill in and a test, ready to be edited."""

from __future__ import annotations

import re
from pathlib import Path

from ingest.errors import SpecError
from ingest.spec import SourceSpec

KINDS = ("http", "sql")
ROLES = ("crm", "erp", "tickets", "projects", "files")
_NAME = re.compile(r"^[a-z][a-z0-9_]{1,39}$")
_ENTITY = {
    "crm": "customer",
    "erp": "customer",
    "tickets": "ticket",
    "projects": "project",
    "files": "customer",
}

_SOURCE = """# {name}: what this system is and how to ask it. All keys: docstring of ingest/spec.py.

[connector]
name = "{name}"
label = "{label}"
role = "{role}"
docs = "https://example.com/api"      # the vendor's reference: every fact below should be found there
zone = "UTC"                          # zone of times that carry none

[settings.base_url]                   # what c360.toml sets for this source
required = true
help = "address of the API, for example https://erp.example.com/api"

[settings.token]
required = true
secret = true                         # c360.toml holds a reference: env:NAME or file:NAME
help = "API token of the integration user"

[http]
base_url = "{{settings.base_url}}"
rate = "5/s"                          # be a polite guest; Retry-After is obeyed in any case
error_path = ["message", "error"]     # where a failed answer says why
# success = {{ path = "code", values = ["0"] }}   # for systems that answer 200 to everything

[auth]                                # none | header | basic | refresh | client | session | hook
type = "header"
value = "Bearer {{settings.token}}"

[[stream]]                            # one object of the vendor; the folder name in landing
name = "records"
entities = ["{entity}"]
path = "records"
params = {{ updated_since = "{{window.start}}", offset = "{{page.offset}}", limit = "{{page.limit}}" }}
records = "items"                     # where the list is in the answer
id = "id"
updated = "updated_at"
# page types: single | next_url | cursor | link | offset | number | keyset
page = {{ type = "offset", limit = 100, total = "total" }}
incremental = {{ type = "window", overlap_s = 600 }}          # window | token | none
# deletes = {{ type = "sweep", params = {{ fields = "id", offset = "{{page.offset}}", limit = "{{page.limit}}" }} }}
assertions = {{ required = ["id", "updated_at"] }}
"""

_SQL = """# {name}: which tables of this database are read. All keys: docstring of ingest/spec.py, docs/databases.md.

[connector]
name = "{name}"
label = "{label}"
role = "{role}"
kind = "sql"
zone = "UTC"                          # zone of its wall clocks (columns without a zone)

[sql]
dialect = "postgresql"                # postgresql | mysql (and MariaDB) | sqlserver

# host, port, database, user, password, tls, ca and row_security are settings without being described here

[[stream]]                            # one table; the folder name in landing
name = "records"
entities = ["{entity}"]
table = "records"                     # or schema.records; or query = "select …"
# fields = ["id", "name"]             # default: every column the role may see
id = "id"                             # a column that is never empty, best the primary key; several: ["a", "b"]
updated = "updated_at"                # the column that every change moves; without one: incremental type none
incremental = {{ type = "window", overlap_s = 600 }}
deletes = {{ type = "sweep" }}          # none | flag | sweep | full
"""

_MAPPING = """# Meaning of {name}'s documents. The language: model/conform/README.md; columns: model/schema/.

[mapping]
connector = "{name}"
zone = "UTC"

[[entity]]
entity = "{entity}"
streams = ["records"]
updated_at = "updated_at"
entered_at = "created_at"

[entity.fields]
{fields}
"""

_FIELDS = {
    "customer": 'name = "name"\ncode = "code"\nowner_id = "owner_id"',
    "ticket": 'customer_id = "customer_id"\nnumber = "number"\nsubject = "subject"\ncreated_at = "created_at"',
    "project": 'customer_id = "customer_id"\ncode = "code"\nname = "name"',
}

_TEST = '''"""The connector {name}: its description, and one page of the vendor's real answer."""

from __future__ import annotations

from pathlib import Path

from ingest.documents import find, identify
from ingest.spec import SourceSpec

CONFIG_DIR = Path(__file__).parents[1]
ANSWER = {{"items": [{{"id": 1, "name": "Example", "updated_at": "2026-01-01T00:00:00Z"}}], "total": 1}}


def test_description_fits_the_answer() -> None:
    """Replace ANSWER by a real answer of the system before trusting this."""
    stream = SourceSpec.load("{name}", CONFIG_DIR).stream("records")
    (record,) = find(ANSWER, stream.records)
    assert identify(record, stream.id_paths) == "1"
    assert all(find(record, path) is not None for path in stream.assertions.required)
'''


_SQL_TEST = '''"""The connector {name}: its description."""

from __future__ import annotations

from pathlib import Path

from ingest.spec import SourceSpec

CONFIG_DIR = Path(__file__).parents[1]


def test_every_table_says_how_its_rows_are_known() -> None:
    """`c360 source test` asks the database itself."""
    for stream in SourceSpec.load("{name}", CONFIG_DIR).streams:
        assert stream.table or stream.query
        assert all(stream.id_paths)
'''


def new_source(name: str, config_dir: Path, role: str = "crm", label: str = "", kind: str = "http") -> list[Path]:
    """Write a connector of the company's own below `config_dir` (an instance's config folder); the files written.

    sources/<name>/source.toml, conform/<name>.toml, tests/test_<name>.py. SpecError when the name is taken or
    unusable; nothing is ever overwritten.
    """
    if not _NAME.match(name):
        raise SpecError(f"{name!r} is no connector name", valid="small letters, digits and _, beginning with a letter")
    if role not in ROLES:
        raise SpecError(f"{role!r} is no role", valid=", ".join(ROLES))
    if kind not in KINDS:
        raise SpecError(f"{kind!r} is no kind of source", valid=", ".join(KINDS))
    entity = _ENTITY[role]
    values = {"name": name, "label": label or name, "role": role, "entity": entity, "fields": _FIELDS[entity]}
    files = {
        config_dir / "sources" / name / "source.toml": _SQL if kind == "sql" else _SOURCE,
        config_dir / "conform" / f"{name}.toml": _MAPPING,
        config_dir / "tests" / f"test_{name}.py": _SQL_TEST if kind == "sql" else _TEST,
    }
    taken = [str(path) for path in files if path.exists()]
    if taken:
        raise SpecError(f"{', '.join(taken)} exists already", remedy="choose another name, or edit what is there")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(**values), encoding="utf-8")
    SourceSpec.load(name, config_dir)
    return list(files)
