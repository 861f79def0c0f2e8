"""The chips that can be compiled for, how a target is spelled, and which route compiles it."""

from __future__ import annotations

import re
from dataclasses import dataclass

AMD = (
    "vega10 vega12 vega20 raven renoir mi100 navi10 navi12 navi14 navi21 navi22 navi23 navi24 vangogh rembrandt "
    "navi31 navi32 navi33 phoenix gfx1150 gfx1151 gfx1152 gfx1153 gfx1200 gfx1201"
).split()
INTEL = "tgl dg1 adl rpl dg2 mtl arl lnl bmg".split()
NVIDIA = "sm_75 sm_80 sm_86 sm_87 sm_89 sm_90 sm_100 sm_103 sm_120 sm_121".split()

# A GPU of each architecture that NVK starts on without hardware, by its chipset number.
NVK_CHIPSETS = {"sm_75": "162", "sm_80": "170", "sm_86": "172"}

# GPUs of people who may run NVK; the others' owners run NVIDIA's driver.
NAK_BY_DEFAULT = {"sm_75", "sm_86"}

# What benches/static has records of.
RECORDED = "navi21 navi31 gfx1201 dg2 bmg sm_86 sm_90".split()


@dataclass(frozen=True)
class Route:
    """A compiler that `gpu-static setup` installs."""

    option: str  # of setup
    compiler: str  # as tables call it
    names: tuple[str, ...]  # of chips
    why: str


ROUTES = {
    "amd": Route("--amd", "RADV/ACO, Mesa", tuple(AMD), "Mesa's Vulkan driver for AMD"),
    "intel": Route("--intel", "ANV, Mesa", tuple(INTEL), "Mesa's Vulkan driver for Intel"),
    "nvk": Route("--nvk", "NVK/NAK, Mesa", tuple(NVK_CHIPSETS), "Mesa's Vulkan driver for NVIDIA"),
    "nvidia": Route("--nvidia", "NVRTC", tuple(NVIDIA), "NVIDIA's own compiler, by way of CUDA"),
}


class UnknownTarget(ValueError):
    pass


@dataclass(frozen=True)
class Target:
    """CHIP[.OPTION]: `navi31`, `navi31.wave32`, `dg2.simd16`, `sm_86.nvrtc`, `sm_90.alias`."""

    name: str
    chip: str
    route: str
    subgroup_size: int = 0  # 0: as the driver chooses
    aliasing: bool = False  # NVRTC: buffers may overlap


def parse(text: str) -> Target:
    chip, *options = text.strip().lower().split(".")
    chip = re.sub(r"^sm(?=\d)", "sm_", chip)
    name = ".".join([chip, *options])
    if chip in AMD and (size := _size(options, "wave", (32, 64))) is not None:
        return Target(name, chip, "amd", size)
    if chip in INTEL and (size := _size(options, "simd", (8, 16, 32))) is not None:
        return Target(name, chip, "intel", size)
    if chip in NVIDIA and set(options) <= {"nvrtc", "alias"}:
        route = "nvk" if chip in NAK_BY_DEFAULT and not options else "nvidia"
        return Target(name, chip, route, aliasing="alias" in options)
    if chip in NVK_CHIPSETS and options == ["nak"]:
        return Target(name, chip, "nvk")
    raise UnknownTarget(f"{text}: unknown target; `scripts/gpu-static targets` lists them")


def _size(options: list[str], word: str, sizes: tuple[int, ...]) -> int | None:
    """The subgroup size that options force; None where they say something else."""
    if not options:
        return 0
    return next((size for size in sizes if options == [f"{word}{size}"]), None)


def parse_list(text: str) -> list[Target]:
    return list(dict.fromkeys(parse(word) for word in text.split(",") if word.strip()))
