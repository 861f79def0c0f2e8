"""The private folder that holds the compilers, and which of them are installed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from .targets import ROUTES, Target

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent.parent
NATIVE = PACKAGE / "native"

FOLDER = Path(os.environ.get("WGCONV_GPU_STATIC") or Path.home() / ".cache" / "wgconv-gpu-static").absolute()
LIBRARIES = Path("usr/lib/x86_64-linux-gnu")  # in a root

# Which Debian root has a route's driver. Mesa 25.0 is the last with RADV's null device; only later ones start NVK on a shim.
ROOTS = {"amd": "stable", "intel": "stable", "nvk": "new"}


class NotInstalled(Exception):
    """A route is missing; the message says how to install it."""


def version(route: str) -> str | None:
    """The version of a route's compiler; None where setup has not installed it."""
    file = FOLDER / "installed" / route
    return file.read_text().strip() if file.exists() else None


def compiler(target: Target) -> str:
    """Name and version, as records have them."""
    found = version(target.route)
    if found is None:
        raise NotInstalled(f"{target.name} needs `scripts/gpu-static setup {ROUTES[target.route].option}`")
    return f"{ROUTES[target.route].compiler} {found}"


def root(route: str) -> Path:
    return FOLDER / "roots" / ROOTS[route]


def digest_of_tool(route: str) -> str:
    """Changes with everything that a figure depends on besides the shader and the compiler."""
    own = ["nvrtc.py", "msl_to_cuda.py", "native/metal_on_cuda.h"] if route == "nvidia" else ["mesa.py", "native/pipeline_figures.c"]
    digest = hashlib.sha256()
    for name in [*own, "assembly.py", "occupancy.py", "shader.py"]:
        digest.update((PACKAGE / name).read_bytes())
    return digest.hexdigest()
