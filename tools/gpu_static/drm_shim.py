"""Mesa's drm-shims: libraries that answer for a GPU's kernel driver. Built from Mesa's source without building Mesa."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TextIO

from .debian import SetupError, Suite
from .home import FOLDER, LIBRARIES, NATIVE

MESA = FOLDER / "mesa"
GENERATED = FOLDER / "generated"

# What is unpacked of Mesa's archive, below src.
FOLDERS = (
    "c11 compiler drm-shim gallium/drivers/nouveau gallium/include intel/common intel/dev intel/tools "
    "nouveau/drm-shim nouveau/headers util"
).split()

# Every shim needs these, relative to src.
COMMON = (
    "drm-shim/device.c drm-shim/drm_shim.c c11/impl/threads_posix.c c11/impl/time.c util/anon_file.c util/hash_table.c "
    "util/log.c util/memstream.c util/os_misc.c util/ralloc.c util/rb_tree.c util/set.c util/simple_mtx.c util/u_call_once.c "
    "util/u_debug.c util/vma.c"
).split()
NVK = ["nouveau/drm-shim/nouveau_noop.c"]
INTEL = (
    "intel/tools/intel_noop_drm_shim.c intel/dev/intel_debug.c intel/dev/intel_device_info.c intel/dev/intel_hwconfig.c "
    "intel/dev/intel_kmd.c intel/dev/i915/intel_device_info.c intel/dev/xe/intel_device_info.c intel/common/intel_engine.c "
    "intel/common/intel_gem.c intel/common/i915/intel_engine.c intel/common/i915/intel_gem.c "
    "intel/common/xe/intel_device_query.c intel/common/xe/intel_engine.c intel/common/xe/intel_gem.c "
    "intel/common/xe/intel_queue.c util/parson.c"
).split()

# What meson would find out of a C library and a compiler of today.
FOUND = (
    "PTHREAD STRUCT_TIMESPEC TIMESPEC_GET MEMFD_CREATE SECURE_GETENV ENDIAN_H FLOCK GNU_QSORT_R GETRANDOM STRTOK_R "
    "DL_ITERATE_PHDR PROGRAM_INVOCATION_NAME LIBDRM __BUILTIN_EXPECT __BUILTIN_FFS __BUILTIN_CTZ __BUILTIN_CLZ "
    "__BUILTIN_CLZLL __BUILTIN_POPCOUNT __BUILTIN_POPCOUNTLL __BUILTIN_UNREACHABLE __BUILTIN_TYPES_COMPATIBLE_P "
    "__BUILTIN_BSWAP32 __BUILTIN_BSWAP64 FUNC_ATTRIBUTE_ALIAS FUNC_ATTRIBUTE_CONST FUNC_ATTRIBUTE_FORMAT "
    "FUNC_ATTRIBUTE_MALLOC FUNC_ATTRIBUTE_NORETURN FUNC_ATTRIBUTE_PACKED FUNC_ATTRIBUTE_PURE "
    "FUNC_ATTRIBUTE_RETURNS_NONNULL FUNC_ATTRIBUTE_UNUSED FUNC_ATTRIBUTE_VISIBILITY FUNC_ATTRIBUTE_WARN_UNUSED_RESULT"
).split()
DEFINES = [
    "-D_GNU_SOURCE", '-DPACKAGE_VERSION=""', "-DMESA_DEBUG=0", "-DUTIL_ARCH_LITTLE_ENDIAN=1", "-DUTIL_ARCH_BIG_ENDIAN=0",
    "-DMAJOR_IN_SYSMACROS", "-DUSE_GCC_ATOMIC_BUILTINS", *(f"-DHAVE_{name}" for name in FOUND),
]


def unpack_mesa(suite: Suite, log: TextIO) -> None:
    complete = MESA / "complete"
    if complete.exists():
        return
    shutil.rmtree(MESA, ignore_errors=True)
    archive = suite.source("mesa", MESA)
    members = ["*/include", *(f"*/src/{folder}" for folder in FOLDERS)]
    command = ["tar", "-xf", archive, "-C", MESA, "--strip-components=1", "--no-same-owner"]
    command += ["--wildcards", "--no-wildcards-match-slash", *members]
    subprocess.run(command, stdout=log, stderr=log, check=True)
    archive.unlink()
    complete.touch()


def generate_intel(log: TextIO) -> list[Path]:
    """Runs the generators of Mesa's tables of Intel's devices; returns the C files."""
    modules = FOLDER / "python"
    if not (modules / "mako").is_dir():
        pip_install(modules, ["mako"], log)
    for folder in (GENERATED / "dev", GENERATED / "intel" / "dev"):
        folder.mkdir(parents=True, exist_ok=True)
    dev = MESA / "src" / "intel" / "dev"
    workarounds = [GENERATED / "intel_wa.h", GENERATED / "intel_wa.c"]
    info_header, info_source = GENERATED / "intel_device_info_gen.h", GENERATED / "intel_device_info_serialize_gen.c"
    for script in (
        [dev / "gen_wa_helpers.py", dev / "mesa_defs.json", *workarounds],
        [dev / "intel_device_info_gen_h.py", info_header],
        [dev / "intel_device_info_serialize_gen_c.py", info_source],
    ):
        environment = os.environ | {"PYTHONPATH": str(modules)}
        subprocess.run([sys.executable, *script], env=environment, stdout=log, stderr=log, check=True)
    # Mesa includes them by three paths.
    for header in GENERATED.glob("*.h"):
        shutil.copy(header, GENERATED / "dev")
        shutil.copy(header, GENERATED / "intel" / "dev")
    (GENERATED / "git_sha1.h").write_text('#define MESA_GIT_SHA1 ""\n')
    return [workarounds[1], info_source]


def build(name: str, sources: list[str], generated: list[Path], root: Path, log: TextIO) -> None:
    """shims/NAME.so, against the headers and libraries of a root."""
    GENERATED.mkdir(exist_ok=True)
    shim = FOLDER / "shims" / f"{name}.so"
    shim.parent.mkdir(exist_ok=True)
    src = MESA / "src"
    includes = [
        GENERATED, MESA / "include", src, src / "intel", src / "intel" / "dev", src / "intel" / "common",
        src / "gallium" / "include", root / "headers", root / "headers" / "libdrm",
    ]
    command = ["gcc", "-O1", "-std=gnu11", "-w", "-fPIC", "-shared", "-fvisibility=hidden", "-o", shim.with_suffix(".part")]
    command += [*(f"-I{folder}" for folder in includes), *DEFINES, NATIVE / "shim_stubs.c", *generated]
    command += [src / source for source in [*sources, *COMMON]]
    command += [f"-L{root / LIBRARIES}", "-l:libdrm.so.2", "-ldl", "-lpthread", "-lm"]
    command += ["-Wl,-z,defs", "-Wl,--allow-shlib-undefined"]
    subprocess.run(command, stdout=log, stderr=log, check=True)
    shim.with_suffix(".part").replace(shim)


def pip_install(folder: Path, requirements: list[str], log: TextIO, *options: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--root-user-action=ignore", *options, "--target", folder, *requirements]
    if subprocess.run(command, stdout=log, stderr=log).returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise SetupError(f"pip cannot install {' '.join(requirements)}")
