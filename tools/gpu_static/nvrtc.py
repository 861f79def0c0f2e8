"""NVIDIA's compiler and disassembler, from their Python packages."""

from __future__ import annotations

import ctypes
import functools
import re
import subprocess
from pathlib import Path

from . import occupancy
from .assembly import loops
from .home import FOLDER
from .msl_to_cuda import translate
from .shader import CompileError, Figures, Shader
from .targets import Target

# Vulkan's precision of division and roots, and denormals as its drivers treat them.
FLAGS = ["-std=c++17", "-w", "--device-as-default-execution-space", "--prec-div=false", "--prec-sqrt=false", "--ftz=true"]


def tool(pattern: str) -> Path:
    found = sorted((FOLDER / "cuda").glob(f"nvidia/cu*/{pattern}"))
    if not found:
        raise FileNotFoundError(f"{FOLDER / 'cuda'}: no {pattern}")
    return found[-1]


def compile_all(shaders: list[Shader], target: Target, isa: Path, min_workgroups: int = 0) -> list[Figures | CompileError]:
    """In the order of the shaders. CUDA text, cubin and SASS go to files of `isa` named by the digest."""
    results: list[Figures | CompileError] = []
    for shader in shaders:
        try:
            results.append(_compile(shader, target, isa, min_workgroups))
        except CompileError as error:
            results.append(error)
    return results


def _compile(shader: Shader, target: Target, isa: Path, min_workgroups: int) -> Figures:
    if shader.msl is None:
        raise CompileError(f"no MSL: {shader.unavailable}")
    source = translate(shader, target.aliasing, min_workgroups)
    (isa / f"{shader.digest}.cu").write_text(source)
    cubin, log = _cubin(source, target.chip)
    file = isa / f"{shader.digest}.cubin"
    file.write_bytes(cubin)
    dump = subprocess.run([tool("bin/nvdisasm"), "-c", "-ndf", file], capture_output=True, text=True, check=True)
    (isa / f"{shader.digest}.sass").write_text(dump.stdout)

    def reported(pattern: str) -> int:
        found = re.search(pattern, log)
        return int(found[1]) if found else 0

    registers, shared = reported(r"Used (\d+) registers"), reported(r"(\d+) bytes smem")
    return Figures(
        32, registers, (reported(r"(\d+) bytes spill stores"), reported(r"(\d+) bytes spill loads")), shared,
        occupancy.nvidia(target.chip, registers, shared, shader.invocations),
        len(re.findall(r"/\*[0-9a-f]{4,}\*/ ", dump.stdout)), loops(dump.stdout, "sass"),
    )


@functools.cache
def _library() -> ctypes.CDLL:
    # NVRTC looks for its built-ins beside nothing: they must be there before it.
    ctypes.CDLL(str(tool("lib/libnvrtc-builtins.so.*")), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(tool("lib/libnvrtc.so.*")))


def _cubin(source: str, arch: str) -> tuple[bytes, str]:
    """The machine code, and what ptxas says of it."""
    nvrtc = _library()
    flags = [flag.encode() for flag in (*FLAGS, f"--gpu-architecture={arch}", "--ptxas-options=-v")]
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    try:
        failed = nvrtc.nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(*flags))
        log = _fetch(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).rstrip(b"\0").decode(errors="replace")
        if failed:
            errors = [line for line in log.splitlines() if "error" in line]
            raise CompileError("NVRTC: " + (errors or [log.strip()])[0])
        return _fetch(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program), log
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _fetch(size_of: ctypes._CFuncPtr, get: ctypes._CFuncPtr, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    size_of(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    get(program, buffer)
    return buffer.raw
