"""Shaders and targets -> figures, through the cache."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import mesa, nvrtc
from .cache import Cache
from .home import compiler, digest_of_tool
from .shader import CompileError, Figures, Shader
from .targets import Target


@dataclass(frozen=True)
class Options:
    robust: bool = False  # Mesa: robustBufferAccess
    min_workgroups: int = 0  # NVRTC: that shall fit a multiprocessor by their registers
    isa: Path | None = None  # where to keep assembly and intermediate code; nothing comes from the cache then
    batch: int = 16  # shaders between two messages


def compile_all(shaders: list[Shader], target: Target, options: Options = Options()) -> dict[str, Figures | CompileError]:
    """By label. The shaders must differ in their code."""
    cache = Cache(target.name, compiler(target), digest_of_tool(target.route), str(options.robust), str(options.min_workgroups))
    results: dict[str, Figures | CompileError] = {}
    for shader in shaders if options.isa is None else []:
        if (known := cache.get(shader.digest)) is not None:
            results[shader.label] = known
    wanted = [shader for shader in shaders if shader.label not in results]
    for start in range(0, len(wanted), options.batch):
        batch = wanted[start : start + options.batch]
        _progress(f"{target.name}: {start} of {len(wanted)}")
        with tempfile.TemporaryDirectory() as folder:
            for shader, result in zip(batch, compile_batch(batch, target, Path(folder), options)):
                results[shader.label] = result
                if isinstance(result, Figures):
                    cache.put(shader.digest, result)
            if options.isa is not None:
                _keep(batch, Path(folder), options.isa / target.name)
    _progress("")
    return results


def compile_batch(shaders: list[Shader], target: Target, isa: Path, options: Options) -> list[Figures | CompileError]:
    if target.route == "nvidia":
        return nvrtc.compile_all(shaders, target, isa, options.min_workgroups)
    return mesa.compile_all(shaders, target, isa, options.robust)


def _keep(shaders: list[Shader], isa: Path, out: Path) -> None:
    """Files named by digests become files named by labels."""
    out.mkdir(parents=True, exist_ok=True)
    for shader in shaders:
        for file in isa.glob(f"{shader.digest}.*"):
            shutil.copyfile(file, out / (shader.label.replace("/", ".") + file.name.removeprefix(shader.digest)))


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
