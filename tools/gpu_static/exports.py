"""benches/static/layers.json -> the shaders that `wgconv export` writes for it, one for each distinct code.

The file has groups of layers that are exported with the same arguments:

    {"groups": [{"name": "f16", "arguments": ["--storage", "f16"], "passes": ["forward", "backward"],
                 "algorithms": ["all"], "layers": ["resnet50/res3_3x3", {"name": "mine", "op": "conv2d", ...}]}],
     "not_compiled": {"gemm_thread_tile": "only on CPU adapters"}}

A layer is one of benches/shapes, which then has its `gpu_batch`, or one as those files describe it. The label of a shader is
KERNEL@LAYER/PASS/ALGORITHM, with the group before the layer but for the first group, and with the number that the export
gives to a kernel's second variant.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .home import REPOSITORY
from .shader import Shader

LAYERS = REPOSITORY / "benches" / "static" / "layers.json"
SHAPES = REPOSITORY / "benches" / "shapes"
SHADERS = REPOSITORY / "shaders"
# Folders of shaders without kernels of the catalog.
NO_KERNELS = {"lib", "tiles", "bench", "lab"}


class ExportError(Exception):
    pass


@dataclass
class Exported:
    shaders: list[Shader]  # distinct
    complaints: list[str]  # what layers.json should say otherwise


def wgconv() -> Path:
    """The command line: $WGCONV, or a release build of this tree."""
    if named := os.environ.get("WGCONV"):
        return Path(named)
    if not shutil.which("cargo"):
        raise ExportError("WGCONV names no command line, and cargo is missing")
    command = ["cargo", "build", "--release", "--features", "cli", "--bin", "wgconv"]
    if subprocess.run(command, cwd=REPOSITORY).returncode:
        raise ExportError("wgconv does not build")
    target = Path(os.environ.get("CARGO_TARGET_DIR") or "target")
    return REPOSITORY / target / "release" / "wgconv"


def export_all(program: Path) -> Exported:
    described = json.loads(LAYERS.read_text())
    shaders: dict[str, Shader] = {}
    complaints: list[str] = []
    for place, group in enumerate(described["groups"]):
        prefix = f"{group['name']}/" if place else ""
        with tempfile.TemporaryDirectory() as folder:
            for shader in _export(program, group, prefix, Path(folder)):
                first = shaders.setdefault(shader.digest, shader)
                if first is not shader:
                    first.also.append(shader.label)
    found = list(shaders.values())
    complaints += uncovered({shader.kernel for shader in found}, described.get("not_compiled", {}))
    return Exported(found, complaints)


def catalog() -> set[str]:
    """A kernel for each shader file."""
    files = SHADERS.rglob("*.wgsl")
    return {file.stem for file in files if not NO_KERNELS & set(file.relative_to(SHADERS).parts)}


def uncovered(covered: set[str], not_compiled: dict[str, str]) -> list[str]:
    kernels, lines = catalog(), []
    for kernel in sorted(kernels - covered - set(not_compiled)):
        lines.append(f"{kernel}: no layer of {LAYERS.name} leads to it; add one, or say in not_compiled why there is none")
    for kernel in sorted(set(not_compiled) & covered):
        lines.append(f"{kernel}: in not_compiled of {LAYERS.name}, but a layer leads to it")
    for kernel in sorted(set(not_compiled) - kernels):
        lines.append(f"{kernel}: in not_compiled of {LAYERS.name}, but there is no such shader")
    return lines


def _export(program: Path, group: dict[str, Any], prefix: str, folder: Path) -> list[Shader]:
    suite = folder / "suite.json"
    layers = [_layer(layer) for layer in group["layers"]]
    suite.write_text(json.dumps({"name": "static", "source": "benches/static/layers.json", "layers": layers}))
    shaders = []
    for algorithm in group["algorithms"]:
        out = folder / algorithm
        command = [program, "export", "--all", suite, "--out", out, "--languages", "spirv,msl", "--json"]
        command += ["--pass", ",".join(group["passes"]), "--algorithm", algorithm, *group.get("arguments", [])]
        done = subprocess.run(command, capture_output=True, text=True)
        # 3: a layer has no such pass or algorithm. What there is was written.
        if done.returncode not in (0, 3) or not (out / "index.json").exists():
            reason = done.stderr.strip() or f"wgconv exited with {done.returncode}"
            raise ExportError(f"group {group['name']}, {algorithm}: {reason}")
        for entry in json.loads((out / "index.json").read_text())["exports"]:
            use = "/".join([entry["layer"].rpartition("/")[2], entry["pass"], entry["algorithm"]])
            shaders += _of_manifest(out / entry["folder"], prefix + use)
    return shaders


def _layer(layer: str | dict[str, Any]) -> dict[str, Any]:
    if not isinstance(layer, str):
        return layer
    suite, _, name = layer.partition("/")
    try:
        layers = json.loads((SHAPES / f"{suite}.json").read_text())["layers"]
        found = next(each for each in layers if each["name"] == name)
    except (FileNotFoundError, StopIteration):
        raise ExportError(f"{LAYERS.name}: {layer}: benches/shapes has no such layer") from None
    batch = found.get("gpu_batch", found["input"][0])
    return {**found, "input": [batch, *found["input"][1:]]}


def _of_manifest(folder: Path, use: str) -> list[Shader]:
    manifest = json.loads((folder / "manifest.json").read_text())
    shaders = []
    for described in manifest["shaders"]:
        files = described["files"]
        spirv, msl = files.get("spirv"), files.get("msl")
        subgroups = {"subgroups", "cooperative-matrices"} & set(described["features"])
        shaders.append(Shader(
            kernel=described["kernel"],
            label=f"{described['name']}@{use}",
            workgroup_size=tuple(described["workgroup_size"]),
            workgroup_bytes=described["workgroup_bytes"],
            spirv=(folder / spirv["path"]).read_bytes() if spirv else None,
            sets=_sets(described["bindings"], spirv["slots"]) if spirv else "",
            msl=(folder / msl["path"]).read_text() if msl else None,
            msl_entry=msl["entry_point"] if msl else "",
            subgroup_size=manifest["requirements"]["subgroup_size"] or 0 if subgroups else 0,
            unavailable="; ".join(described["unavailable"].values()),
        ))
    return shaders


def _sets(bindings: list[dict[str, Any]], slots: list[dict[str, Any]]) -> str:
    """The kinds of bindings, a letter each, with '/' between descriptor sets."""
    letters = {(slot["space"], slot["index"]): "u" if binding["access"] == "uniform" else "s"
               for binding, slot in zip(bindings, slots, strict=True)}
    sets = []
    for space in range(max((space for space, _ in letters), default=-1) + 1):
        last = max((index for other, index in letters if other == space), default=-1)
        sets.append("".join(letters.get((space, index), "-") for index in range(last + 1)))
    return "/".join(sets)
