"""Books written as templates, collected, conformed and built like any source."""

from __future__ import annotations

import shutil
from pathlib import Path

from ingest.collect import sync
from model import build
from ops.instance import Instance, InstanceConfig, SourceConfig

Files = dict[str, str]
CUSTOMER = "code,name\nC1,示例仪器有限公司\n"


def instance(folder: Path, files: Files, **config: str) -> Instance:
    """A built instance over the templates `files` (entity → CSV text) under `folder`; nothing may be rejected."""
    books = folder / "books"
    books.mkdir(exist_ok=True)
    for name, text in {"customer": CUSTOMER, **files}.items():
        (books / f"{name}.csv").write_text(text, encoding="utf-8")
    source = SourceConfig(name="books", connector="template", role="erp", settings={"folder": str(books)})
    made = Instance.create(folder / "i", InstanceConfig.model_validate({"source": [source], **config}))
    assert [result.error for result in sync(made, "books") if result.error] == []
    staged = build.build(made).staged
    assert staged is not None
    assert staged.counts.rejected == 0
    return made


def copied(template: Path, folder: Path) -> Instance:
    """The instance and the books that `instance` made under `template`, under `folder`."""
    for name in ("books", "i"):
        shutil.copytree(template / name, folder / name)
    made = Instance.load(folder / "i")
    made.config.sources[0].settings["folder"] = str(folder / "books")
    made.save()
    return made
