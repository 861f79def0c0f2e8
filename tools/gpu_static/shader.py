"""A compute shader on its way into a compiler, and what a compiler says of it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any

from .assembly import Loop, hottest
from .occupancy import Occupancy


@dataclass
class Shader:
    kernel: str  # name of the kernel, without what tells its variants apart
    label: str  # unique: KERNEL@LAYER/PASS/ALGORITHM
    workgroup_size: tuple[int, int, int]
    workgroup_bytes: int
    spirv: bytes | None = None
    sets: str = ""  # of bindings, as pipeline_figures.c reads them
    msl: str | None = None
    msl_entry: str = ""
    subgroup_size: int = 0  # that the shader requires; 0: any
    unavailable: str = ""  # why a language is missing
    also: list[str] = field(default_factory=list)  # labels of the same code

    @property
    def invocations(self) -> int:
        return math.prod(self.workgroup_size)

    @property
    def digest(self) -> str:
        """Equal where the code is equal."""
        header = f"{self.workgroup_size} {self.workgroup_bytes} {self.sets} {self.subgroup_size} {self.msl_entry}"
        parts = [header.encode(), self.spirv or b"", (self.msl or "").encode()]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()


class CompileError(Exception):
    """A compiler refuses a shader, or the shader does not exist in the compiler's language."""


@dataclass
class Figures:
    subgroup_size: int
    registers: int
    spills: tuple[int, int]
    lds_bytes: int
    occupancy: Occupancy
    instructions: int
    loops: list[Loop]
    inverse_throughput: int | None = None
    latency: int | None = None

    @property
    def loop(self) -> Loop | None:
        return hottest(self.loops)

    @property
    def spilled(self) -> int:
        return sum(self.spills)

    @property
    def resident_invocations(self) -> int:
        """Counts a narrower subgroup as a loss, too."""
        return self.occupancy.resident * self.subgroup_size

    def to_json(self) -> dict[str, Any]:
        return {
            "subgroup": self.subgroup_size,
            "registers": self.registers,
            "spills": list(self.spills),
            "lds": self.lds_bytes,
            "resident": [self.occupancy.resident, self.occupancy.most],
            "instructions": self.instructions,
            "inverse_throughput": self.inverse_throughput,
            "latency": self.latency,
            "loop": self.loop and [self.loop.instructions, self.loop.multiply_adds],
        }

    def to_json_with_loops(self) -> dict[str, Any]:
        return self.to_json() | {"loops": [[loop.instructions, loop.multiply_adds, loop.mix] for loop in self.loops]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Figures:
        loops = data.get("loops") or ([[*data["loop"], {}]] if data["loop"] else [])
        return cls(
            data["subgroup"], data["registers"], tuple(data["spills"]), data["lds"], Occupancy(*data["resident"]),
            data["instructions"], [Loop(*loop) for loop in loops], data["inverse_throughput"], data["latency"],
        )
