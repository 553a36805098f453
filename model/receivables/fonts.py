"""A font with Chinese characters, found on this machine; letters embed the characters they use."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fontTools.ttLib import TTCollection  # type: ignore[import-untyped]

from ops.errors import FatalError

# best first; what Debian's fonts-noto-cjk installs, and its neighbours on other systems
NAMES = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "NotoSansSC-Regular.ttf",
    "SourceHanSansSC-Regular.otf", "SourceHanSansCN-Regular.otf", "wqy-microhei.ttc", "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf", "msyh.ttc", "simhei.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc",
)  # fmt: skip
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "/System/Library/Fonts", "C:/Windows/Fonts")
_SUFFIXES = {".ttf", ".otf", ".ttc"}


@dataclass(frozen=True)
class Font:
    """A font file, and which face of a collection."""

    path: Path
    face: int = 0


def find(config_dir: Path | None = None) -> Font:
    """The company's own font (config/fonts), else the best one installed; FatalError says what to install."""
    own = config_dir / "fonts" if config_dir is not None else None
    if own is not None and own.is_dir():
        for path in sorted(own.iterdir()):
            if path.suffix.lower() in _SUFFIXES:
                return _with_face(path)
    installed = _installed()
    for name in NAMES:
        if name in installed:
            return _with_face(installed[name])
    raise FatalError(
        "no font with Chinese characters is installed, so letters cannot be made",
        remedy="install the package fonts-noto-cjk, or put a .ttf or .otf file into config/fonts",
    )


@cache
def _installed() -> dict[str, Path]:
    folders = [*_FOLDERS, str(Path.home() / ".fonts"), str(Path.home() / ".local/share/fonts")]
    wanted = set(NAMES)
    return {path.name: path for folder in folders for path in _files(folder) if path.name in wanted}


def _files(folder: str) -> Iterable[Path]:
    for root, _, names in os.walk(folder):
        for name in names:
            yield Path(root) / name


@cache
def _with_face(path: Path) -> Font:
    """The face for simplified Chinese where the file holds several."""
    if path.suffix.lower() != ".ttc":
        return Font(path)
    names = [str(face["name"].getDebugName(4) or "") for face in TTCollection(str(path), lazy=True).fonts]
    return Font(path, next((place for place, name in enumerate(names) if name.endswith((" SC", " GB"))), 0))
