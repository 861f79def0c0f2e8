"""How many subgroups of a kernel a unit of a GPU keeps resident: arithmetic on what a compiler allocated.

The unit is a SIMD on AMD, a Xe core on Intel, a streaming multiprocessor on NVIDIA.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Occupancy:
    resident: int  # subgroups
    most: int  # that the unit can hold


def ceil_div(n: int, step: int) -> int:
    return -(-n // step)


def round_up(n: int, step: int) -> int:
    return ceil_div(n, step) * step


# --- AMD ----------------------------------------------------------------------------------------------------------------

# Registers of a lane of wave64, and the granule they are allocated in; twice as many for wave32. From RDNA 2 on.
_LARGE_FILE = {"navi31", "navi32", "gfx1151", "gfx1200", "gfx1201"}
_SIMD_LDS = 32 << 10


def has_sixteen_waves(chip: str) -> bool:
    """RDNA 2 and later."""
    return chip.startswith(("navi2", "navi3", "gfx11", "gfx12")) or chip in ("vangogh", "rembrandt", "phoenix")


def amd(chip: str, vgprs: int, lds_bytes: int, workgroup: int, subgroup: int, reported: int) -> Occupancy:
    """As RADV computes it, but with the register files of the hardware: the null device of Mesa 25.0 gives gfx1151 and
    gfx12 too small a one. For older chips it is what RADV reported."""
    if not has_sixteen_waves(chip):
        return Occupancy(reported, 20 if chip.startswith("navi1") else 10)
    registers, granule = (768, 12) if chip in _LARGE_FILE else (512, 8)
    if subgroup == 32:
        registers, granule = 2 * registers, 2 * granule
    waves = min(16, registers // round_up(max(vgprs, 1), granule))
    if lds_bytes:
        bytes_of_a_wave = round_up(lds_bytes, 1024) // ceil_div(workgroup, subgroup)
        waves = min(waves, ceil_div(_SIMD_LDS, bytes_of_a_wave))
    return Occupancy(waves, 16)


# --- Intel --------------------------------------------------------------------------------------------------------------

_XE2 = {"lnl", "bmg"}
_XE_THREADS = {"tgl": 112, "dg1": 112, "adl": 112, "rpl": 112, "dg2": 128, "mtl": 128, "arl": 128, "lnl": 64, "bmg": 64}
_XE_LDS = 128 << 10
_LDS_SIZES = [1, 2, 4, 8, 16, 32, 64]
_LDS_SIZES_XE2 = [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384]


def intel(chip: str, lds_bytes: int, workgroup: int, subgroup: int) -> Occupancy:
    """A hardware thread runs a subgroup and owns its registers, used or not: only workgroup memory and the size of the
    workgroup count."""
    most = _XE_THREADS[chip]
    threads = ceil_div(workgroup, subgroup)
    workgroups = most // threads
    if lds_bytes:
        sizes = _LDS_SIZES_XE2 if chip in _XE2 else _LDS_SIZES
        allocated = next(kib << 10 for kib in sizes if kib << 10 >= lds_bytes)
        workgroups = min(workgroups, _XE_LDS // allocated)
    return Occupancy(workgroups * threads, most)


# --- NVIDIA -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Multiprocessor:
    warps: int
    workgroups: int
    shared_kib: int
    reserved_bytes: int = 1024  # of shared memory, for each workgroup


MULTIPROCESSORS = {
    "sm_75": Multiprocessor(32, 16, 64, reserved_bytes=0),
    "sm_80": Multiprocessor(64, 32, 164),
    "sm_86": Multiprocessor(48, 16, 100),
    "sm_87": Multiprocessor(48, 16, 164),
    "sm_89": Multiprocessor(48, 24, 100),
    "sm_90": Multiprocessor(64, 32, 228),
    "sm_100": Multiprocessor(64, 32, 228),
    "sm_103": Multiprocessor(64, 32, 228),
    "sm_120": Multiprocessor(48, 24, 100),
    "sm_121": Multiprocessor(48, 24, 100),
}


def nvidia(chip: str, registers: int, shared_bytes: int, workgroup: int) -> Occupancy:
    """The rules of NVIDIA's occupancy calculator: registers come in 256 to a warp, from one quarter of 65,536 each."""
    sm = MULTIPROCESSORS[chip]
    warps = ceil_div(workgroup, 32)
    warps_of_a_quarter = (65_536 // 4) // round_up(max(registers, 1) * 32, 256)
    workgroups = min(sm.workgroups, sm.warps // warps, 4 * warps_of_a_quarter // warps)
    if shared_bytes:
        workgroups = min(workgroups, (sm.shared_kib << 10) // (round_up(shared_bytes, 128) + sm.reserved_bytes))
    return Occupancy(workgroups * warps, sm.warps)
