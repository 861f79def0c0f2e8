"""Figures that were computed before, by everything that they depend on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .home import FOLDER
from .shader import Figures


class Cache:
    """Of one target, one compiler version and one set of options. Refusals are not kept: they are quick, or transient."""

    def __init__(self, *context: str) -> None:
        self.context = "\0".join(context)

    def _file(self, digest: str) -> Path:
        key = hashlib.sha256(f"{self.context}\0{digest}".encode()).hexdigest()
        return FOLDER / "figures" / key[:2] / f"{key[2:]}.json"

    def get(self, digest: str) -> Figures | None:
        try:
            return Figures.from_json(json.loads(self._file(digest).read_text()))
        except (FileNotFoundError, ValueError):
            return None

    def put(self, digest: str, figures: Figures) -> None:
        file = self._file(digest)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(figures.to_json_with_loops()))
        part.replace(file)
