"""`gpu-static setup`: each compiler into the private folder. What is there stays; one route that fails leaves the others alone."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from . import drm_shim, mesa, nvrtc, targets
from .compile import Options, compile_batch
from .debian import SetupError, Suite
from .home import FOLDER, LIBRARIES, NATIVE, ROOTS
from .selftest import trivial_shader
from .shader import CompileError

SUITES = {
    "stable": os.environ.get("WGCONV_DEBIAN_STABLE", "trixie"),
    "new": os.environ.get("WGCONV_DEBIAN_NEW", "sid"),
}
PACKAGES = ["mesa-vulkan-drivers", "libvulkan1", "libvulkan-dev", "libdrm-dev"]
CUDA = ["nvidia-cuda-nvrtc==13.0.*", "nvidia-cuda-nvdisasm==13.2.*"]


def setup(names: list[str]) -> bool:
    """Installs routes; whether all of them work."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "log").mkdir(exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install_build_tools()
        return all([_install(name) for name in names])


def install_build_tools() -> None:
    """The only packages that the system gets, where it lacks them."""
    missing = [package for program, package in (("gcc", "gcc"), ("xz", "xz-utils")) if not shutil.which(program)]
    if missing or not Path("/usr/include/stdio.h").exists():
        packages = [*missing, "libc6-dev"]
        print(f"installing {' '.join(packages)}")
        try:
            subprocess.run(["apt-get", "update", "-qq"], check=True)
            subprocess.run(["apt-get", "install", "--yes", "-qq", "--no-install-recommends", *packages], check=True)
        except (OSError, subprocess.CalledProcessError):
            raise SetupError(f"install {', '.join(packages)} first") from None


def _install(name: str) -> bool:
    started = time.monotonic()
    path = FOLDER / "log" / f"{name}.txt"
    marker = FOLDER / "installed" / name
    marker.parent.mkdir(exist_ok=True)
    with open(path, "w+") as log:
        try:
            version = INSTALLERS[name](log)
            marker.write_text(version + "\n")
            _prove(name)
        except (SetupError, CompileError, RuntimeError, OSError, subprocess.CalledProcessError) as error:
            marker.unlink(missing_ok=True)
            print(f"{name}: FAILED: {error}")
            log.seek(0)
            print("".join(f"    {line}" for line in log.readlines()[-5:]), end="")
            print(f"    all of it: {path}")
            for suite in SUITES.values():
                Suite(suite, log).forget_lists()
            return False
    print(f"{name}: ready, {version} ({time.monotonic() - started:.0f} s)")
    return True


def _prove(name: str) -> None:
    """A trivial shader goes through."""
    if name == "wgsl":
        return
    chip = {"amd": "navi31", "intel": "dg2", "nvk": "sm_86", "nvidia": "sm_90"}[name]
    with tempfile.TemporaryDirectory() as isa:
        [result] = compile_batch([trivial_shader()], targets.parse(chip), Path(isa), Options())
        if isinstance(result, CompileError):
            raise result


def _root(name: str, log: TextIO) -> str:
    """Mesa's drivers of a suite, with the C library and all else that they are linked to; returns Mesa's version."""
    folder = FOLDER / "roots" / name
    version = folder / "version"
    if not version.exists():
        suite = Suite(SUITES[name], log)
        shutil.rmtree(folder, ignore_errors=True)
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        suite.unpack(PACKAGES, part)
        found = suite.version("mesa-vulkan-drivers")
        for useless in ("doc", "man", "locale", "i18n"):
            shutil.rmtree(part / "usr" / "share" / useless, ignore_errors=True)
        shutil.rmtree(suite.folder / "cache")
        (suite.archives / "partial").mkdir(parents=True)
        # Without the suite's C library, which does not fit the machine's gcc.
        headers = part / "headers"
        headers.mkdir()
        for header in ("vulkan", "vk_video", "libdrm", "xf86drm.h"):
            (headers / header).symlink_to(Path("..") / "usr" / "include" / header)
        (part / "version").write_text(found)
        part.rename(folder)
    mesa.build(folder)
    return version.read_text()


def _driver(route: str) -> None:
    name, root = mesa.ICDS[route], FOLDER / "roots" / ROOTS[route]
    library = root / LIBRARIES / f"libvulkan_{name}.so"
    if not library.exists():
        raise SetupError(f"Mesa of {SUITES[ROOTS[route]]} has no {library.name}")
    folder = FOLDER / "drivers"
    folder.mkdir(exist_ok=True)
    icd = {"file_format_version": "1.0.0", "ICD": {"library_path": str(library), "api_version": "1.3.0"}}
    (folder / f"{name}.json").write_text(json.dumps(icd))


def _amd(log: TextIO) -> str:
    version = _root("stable", log)
    _driver("amd")
    return version


def _intel(log: TextIO) -> str:
    version = _root("stable", log)
    _driver("intel")
    if not (FOLDER / "shims" / "intel.so").exists():
        drm_shim.unpack_mesa(Suite(SUITES["stable"], log), log)
        generated = drm_shim.generate_intel(log)
        drm_shim.build("intel", drm_shim.INTEL, generated, FOLDER / "roots" / "stable", log)
    return version


def _nvk(log: TextIO) -> str:
    version = _root("new", log)
    _driver("nvk")
    if not (FOLDER / "shims" / "nvk.so").exists():
        # The shim of the stable suite's Mesa serves the newer driver.
        drm_shim.unpack_mesa(Suite(SUITES["stable"], log), log)
        drm_shim.build("nvk", drm_shim.NVK, [], FOLDER / "roots" / "new", log)
    return version


def _nvidia(log: TextIO) -> str:
    folder = FOLDER / "cuda"
    try:
        nvrtc.tool("bin/nvdisasm")
    except FileNotFoundError:
        drm_shim.pip_install(folder, CUDA, log, "--no-deps")
    [info] = folder.glob("nvidia_cuda_nvrtc-*.dist-info")
    return info.name.removeprefix("nvidia_cuda_nvrtc-").removesuffix(".dist-info")


def _wgsl(log: TextIO) -> str:
    if not shutil.which("cargo"):
        raise SetupError("it is built with cargo: install Rust")
    manifest = NATIVE / "lower_wgsl" / "Cargo.toml"
    command = ["cargo", "build", "--release", "--locked", "--jobs", "1", "--manifest-path", manifest]
    subprocess.run([*command, "--target-dir", FOLDER / "lower_wgsl"], stdout=log, stderr=log, check=True)
    done = subprocess.run(["cargo", "pkgid", "--manifest-path", manifest, "naga"], capture_output=True, text=True, check=True)
    return f"naga {done.stdout.strip().rpartition('@')[2]}"


INSTALLERS: dict[str, Callable[[TextIO], str]] = {
    "amd": _amd, "intel": _intel, "nvk": _nvk, "nvidia": _nvidia, "wgsl": _wgsl,
}
