"""WGSL files through naga: for prototypes that no algorithm has yet."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path

from .home import FOLDER, NotInstalled, version
from .shader import CompileError, Shader

# Kernels with cooperative matrices are written for subgroups of this size.
COOPERATIVE_SUBGROUP = 32


def lower(file: Path, constants: list[str], checks: bool) -> list[Shader]:
    """A shader for each compute entry point of a file."""
    if version("wgsl") is None:
        raise NotInstalled("a WGSL file needs `scripts/gpu-static setup --wgsl`")
    program = FOLDER / "lower_wgsl" / "release" / "lower_wgsl"
    with tempfile.TemporaryDirectory() as folder:
        command = [program, *(["--checks"] if checks else []), file, folder, *constants]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise CompileError(f"{file}: {done.stderr.strip()}")
        entries = [json.loads(line) for line in done.stdout.splitlines()]
        if not entries:
            raise CompileError(f"{file}: no compute entry point")
        cooperative = re.search(r"^\s*enable\s+wgpu_cooperative_matrix", file.read_text(), re.MULTILINE)
        shaders = []
        for entry in entries:
            msl = Path(folder, f"{entry['name']}.metal")
            shaders.append(Shader(
                kernel=file.stem,
                label=file.stem if len(entries) == 1 else f"{file.stem}@{entry['name']}",
                workgroup_size=tuple(entry["workgroup_size"]),
                workgroup_bytes=entry["workgroup_bytes"],
                spirv=Path(folder, f"{entry['name']}.spv").read_bytes(),
                sets=entry["sets"],
                msl=msl.read_text() if entry["msl_entry"] else None,
                msl_entry=entry["msl_entry"] or "",
                subgroup_size=COOPERATIVE_SUBGROUP if cooperative else 0,
                unavailable=entry["no_msl"] or "",
            ))
        return shaders
