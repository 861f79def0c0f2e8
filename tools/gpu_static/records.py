"""benches/static: what compilers made of every kernel when that was last recorded, and how far the present falls short of it.

TARGET.json has a row for each distinct code, a line each, with the labels of the variants that share it. allowed.json has
the reason why a kernel may spill on a target.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .home import REPOSITORY
from .shader import CompileError, Figures, Shader

FOLDER = REPOSITORY / "benches" / "static"
ALLOWED = FOLDER / "allowed.json"
SCHEMA = "wgconv-static/1"


@dataclass
class Row:
    label: str
    kernel: str
    workgroup: tuple[int, int, int]
    result: Figures | CompileError
    also: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, shader: Shader, result: Figures | CompileError) -> Row:
        return cls(shader.label, shader.kernel, shader.workgroup_size, result, shader.also)

    @property
    def spilled(self) -> int:
        return self.result.spilled if isinstance(self.result, Figures) else 0

    def to_json(self) -> dict[str, Any]:
        said = self.result.to_json() if isinstance(self.result, Figures) else {"error": str(self.result)}
        return {"label": self.label, "kernel": self.kernel, "workgroup": list(self.workgroup), **said, "also": self.also}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Row:
        result = CompileError(data["error"]) if "error" in data else Figures.from_json(data)
        return cls(data["label"], data["kernel"], tuple(data["workgroup"]), result, data["also"])


@dataclass
class Record:
    target: str
    compiler: str
    rows: list[Row]

    def by_label(self) -> dict[str, Row]:
        return {label: row for row in self.rows for label in [row.label, *row.also]}

    def write(self) -> Path:
        file = FOLDER / f"{self.target}.json"
        head = {"schema": SCHEMA, "target": self.target, "compiler": self.compiler}
        fields = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
        rows = ",\n".join(f"  {json.dumps(row.to_json())}" for row in self.rows)
        file.write_text("{\n" + ",\n".join([*fields, f' "kernels": [\n{rows}\n ]']) + "\n}\n")
        return file

    @classmethod
    def read(cls, target: str) -> Record | None:
        file = FOLDER / f"{target}.json"
        if not file.exists():
            return None
        data = json.loads(file.read_text())
        if data["schema"] != SCHEMA:
            raise ValueError(f"{file.name}: schema {data['schema']}, {SCHEMA} is wanted")
        return cls(data["target"], data["compiler"], [Row.from_json(row) for row in data["kernels"]])


class Allowed:
    """Which kernels may spill where, and why."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.reasons: dict[tuple[str, str], str] = {}
        for entry in entries:
            for target in entry["targets"]:
                if not entry["reason"].strip():
                    raise ValueError(f"{ALLOWED.name}: {entry['kernel']}: it has no reason")
                self.reasons[entry["kernel"], target] = entry["reason"]

    @classmethod
    def read(cls) -> Allowed:
        return cls(json.loads(ALLOWED.read_text())["allowed"] if ALLOWED.exists() else [])

    def reason(self, kernel: str, target: str) -> str | None:
        return self.reasons.get((kernel, target))

    def idle(self, record: Record) -> list[str]:
        """Kernels that are allowed to spill on a target and do not."""
        spilling = {row.kernel for row in record.rows if row.spilled}
        return sorted(kernel for kernel, target in self.reasons if target == record.target and kernel not in spilling)


@dataclass
class Comparison:
    failures: list[str] = field(default_factory=list)
    better: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)  # labels without a record
    gone: list[str] = field(default_factory=list)  # labels of the record that nothing leads to any more


def compare(old: Record, new: Record, allowed: Allowed) -> Comparison:
    """Of one target, by compilers of one version. A row that several variants share is judged once."""
    comparison = Comparison()
    known, present = old.by_label(), new.by_label()
    judged: set[tuple[str, str]] = set()
    for label, row in present.items():
        before = known.get(label)
        if before is None:
            comparison.new.append(label)
        elif (before.label, row.label) not in judged:
            judged.add((before.label, row.label))
            for problem in worse(before.result, row.result):
                comparison.failures.append(f"{new.target}: {label}: {problem}")
            for gain in worse(row.result, before.result):
                comparison.better.append(f"{new.target}: {label}: {_backwards(gain)}")
    comparison.gone = [label for label in known if label not in present]
    comparison.failures += unexplained(new, allowed)
    return comparison


def unexplained(record: Record, allowed: Allowed) -> list[str]:
    """Spills that allowed.json has no reason for."""
    lines = []
    for row in record.rows:
        if row.spilled and allowed.reason(row.kernel, record.target) is None:
            spills = "/".join(map(str, row.result.spills))
            lines.append(f"{record.target}: {row.label}: spills {spills}, and {ALLOWED.name} gives no reason for {row.kernel}")
    return lines


def worse(old: Figures | CompileError, new: Figures | CompileError) -> list[str]:
    """What a new result has lost, with the old value and the new one."""
    if isinstance(new, CompileError):
        return [] if isinstance(old, CompileError) else [f"it compiled -> {new}"]
    if isinstance(old, CompileError):
        return []
    lines = []
    if new.spilled > old.spilled:
        lines.append(f"spills {old.spills[0]}/{old.spills[1]} -> {new.spills[0]}/{new.spills[1]}")
    if new.resident_invocations < old.resident_invocations:
        lines.append(f"resident {_resident(old)} -> {_resident(new)}")
    return lines


def _resident(figures: Figures) -> str:
    return f"{figures.occupancy.resident} of {figures.occupancy.most} subgroups of {figures.subgroup_size}"


def _backwards(line: str) -> str:
    """`spills 4/4 -> 0/0` the other way round."""
    what, _, after = line.partition(" -> ")
    name, _, before = what.partition(" ")
    return f"{name} {after} -> {before}" if name in ("spills", "resident") else "it compiles now"
