"""Mesa's Vulkan drivers on devices that are not there.

native/pipeline_figures.c runs under the C library and the Vulkan loader of a private Debian root. RADV has a null device;
ANV and NVK find their kernel driver in a preloaded shim.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from . import occupancy
from .assembly import loops
from .home import FOLDER, LIBRARIES, NATIVE, root
from .shader import CompileError, Figures, Shader
from .targets import NVK_CHIPSETS, Target

SOURCE = NATIVE / "pipeline_figures.c"
CHIP_VARIABLES = {"amd": "RADV_FORCE_FAMILY", "intel": "INTEL_STUB_GPU_PLATFORM", "nvk": "NOUVEAU_CHIPSET"}
ICDS = {"amd": "radeon", "intel": "intel", "nvk": "nouveau"}
LISTINGS = {"amd": ("Assembly", "aco"), "intel": ("GEN_Assembly", "anv"), "nvk": ("NAK_assembly", "nak")}
# What drivers say on stderr whatever happens.
CHATTER = re.compile(r"device |.*(pci bus|not a conformant|Unknown drm|Unknown DRM|recognized processor)")


def build(folder: Path) -> None:
    """Builds the program in a root, where its source is newer."""
    program = folder / SOURCE.stem
    if program.exists() and program.stat().st_mtime >= SOURCE.stat().st_mtime:
        return
    subprocess.run(["gcc", "-O1", "-I", folder / "headers", SOURCE, "-o", program, "-ldl"], check=True)


def compile_all(shaders: list[Shader], target: Target, isa: Path, robust: bool = False) -> list[Figures | CompileError]:
    """In the order of the shaders. Each shader's code goes to files of `isa` that start with its digest."""
    build(root(target.route))
    results: dict[str, Figures | CompileError] = {}
    jobs = [shader for shader in shaders if shader.spirv is not None]
    for shader in jobs:
        (isa / f"{shader.digest}.spv").write_bytes(shader.spirv)
    while jobs:
        outputs, complaint = _run(jobs, target, isa, robust)
        if not outputs:
            raise RuntimeError(f"{target.name}: {complaint or 'the driver says nothing'}")
        for shader, output in zip(jobs, outputs):
            results[shader.digest] = _result(shader, target, isa, output, complaint)
        # A driver that dies takes its process along: the rest gets a new one.
        jobs = jobs[len(outputs):]
    missing = [CompileError(f"no SPIR-V: {shader.unavailable}") for shader in shaders]
    return [results.get(shader.digest, lacking) for shader, lacking in zip(shaders, missing)]


def _run(jobs: list[Shader], target: Target, isa: Path, robust: bool) -> tuple[list[list[str]], str]:
    """The lines of each job that was begun, and the last complaints."""
    folder = root(target.route)
    libraries = folder / LIBRARIES
    shim = FOLDER / "shims" / f"{target.route}.so"
    command = [libraries / "ld-linux-x86-64.so.2", "--library-path", libraries]
    command += ["--preload", shim] if shim.exists() else []
    command += [folder / SOURCE.stem, "--isa", isa] + (["--robust"] if robust else [])
    lines = [
        f"{job.digest} {isa / job.digest}.spv {job.sets or '-'} {target.subgroup_size or job.subgroup_size}\n" for job in jobs
    ]
    with tempfile.TemporaryFile("w+", errors="replace") as stderr:
        done = subprocess.run(
            command, input="".join(lines), stdout=subprocess.PIPE, stderr=stderr, text=True, env=_environment(target)
        )
        stderr.seek(0)
        complaints = [line.strip() for line in stderr if line.strip() and not CHATTER.match(line)]
    if done.returncode < 0:
        complaints.append(f"killed by signal {-done.returncode}")
    outputs: list[list[str]] = []
    for line in done.stdout.splitlines():
        if line.startswith("job "):
            outputs.append([])
        elif outputs:
            outputs[-1].append(line)
    return outputs, "; ".join(complaints[-2:])


def _environment(target: Target) -> dict[str, str]:
    runtime = FOLDER / "run"
    runtime.mkdir(exist_ok=True)
    icd = str(FOLDER / "drivers" / f"{ICDS[target.route]}.json")
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return inherited | {
        "VK_DRIVER_FILES": icd,
        "VK_LOADER_LAYERS_DISABLE": "~all~",
        "MESA_SHADER_CACHE_DISABLE": "true",
        "XDG_RUNTIME_DIR": str(runtime),
        "LC_ALL": "C",
        CHIP_VARIABLES[target.route]: NVK_CHIPSETS[target.chip] if target.route == "nvk" else target.chip,
    }


def _result(shader: Shader, target: Target, isa: Path, output: list[str], complaint: str) -> Figures | CompileError:
    if not output or output[-1] != "end":
        return CompileError(f"the driver crashed: {complaint}")
    if output[0].startswith("failed "):
        return CompileError(output[0].removeprefix("failed "))
    statistics = {}
    for line in output[:-1]:
        name, _, value = line.rpartition(" = ")
        statistics[name] = int(float(value))
    listing, syntax = LISTINGS[target.route]
    file = isa / f"{shader.digest}.{listing}.txt"
    found = loops(file.read_text(errors="replace"), syntax) if file.exists() else []
    return {"amd": _amd, "intel": _intel, "nvk": _nvk}[target.route](shader, target, statistics, found)


def _amd(shader: Shader, target: Target, n: dict[str, int], found: list) -> Figures:
    resident = occupancy.amd(
        target.chip, n["VGPRs"], n["LDS size"], shader.invocations, n["subgroup size"], n["Subgroups per SIMD"]
    )
    return Figures(
        n["subgroup size"], n["VGPRs"], (n["Spilled VGPRs"], n["Spilled SGPRs"]), n["LDS size"], resident, n["Instructions"],
        found, n["Inverse Throughput"], n["Latency"],
    )


def _intel(shader: Shader, target: Target, n: dict[str, int], found: list) -> Figures:
    lds = n["Workgroup Memory Size"]
    return Figures(
        n["subgroup size"], n["Max live registers"], (n["Spill Count"], n["Fill Count"]), lds,
        occupancy.intel(target.chip, lds, shader.invocations, n["subgroup size"]), n["Instruction Count"], found,
        latency=n["Cycle Count"],
    )


def _nvk(shader: Shader, target: Target, n: dict[str, int], found: list) -> Figures:
    # NAK does not report shared memory.
    return Figures(
        n["subgroup size"], n["Number of GPRs"], (n["Spills to memory"], n["Fills from memory"]), shader.workgroup_bytes,
        occupancy.nvidia(target.chip, n["Number of GPRs"], shader.workgroup_bytes, shader.invocations),
        n["Instruction count"], found, latency=n["Static cycle count"],
    )
