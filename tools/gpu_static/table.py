"""Figures as text: for a terminal, and for docs/gpu-compilers.md."""

from __future__ import annotations

from .home import REPOSITORY
from .records import Allowed, Record, Row
from .shader import CompileError, Figures, Loop
from .targets import INTEL, RECORDED, Target

PAGE = REPOSITORY / "docs" / "gpu-compilers.md"
BEGIN, END = "<!-- gpu-static table: begin -->\n", "<!-- gpu-static table: end -->\n"

COLUMNS = ["kernel", "target", "group", "sub", "regs", "spills", "resident", "LDS", "instr", "inv", "latency", "loop", "FMA"]


def terminal(rows: list[tuple[Row, Target]], with_loops: bool = False) -> str:
    lines: list[list[str]] = []
    notes: list[str] = []
    for row, target in rows:
        group = "x".join(map(str, row.workgroup)).removesuffix("x1").removesuffix("x1")
        cells = [row.label, target.name, group]
        if isinstance(row.result, CompileError):
            lines.append([*cells, f"error: {row.result}"])
            notes.append("")
        else:
            lines.append(cells + _cells(row.result))
            notes.append(_loops(row.result) if with_loops else "")
    complete = [line for line in [COLUMNS, *lines] if len(line) == len(COLUMNS)]
    widths = [max(len(line[i]) for line in complete) for i in range(len(COLUMNS))]
    widths[0] = max(len(line[0]) for line in [COLUMNS, *lines])
    text = []
    for line, note in zip([COLUMNS, *lines], ["", *notes]):
        padded = [cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))]
        text.append("  ".join(padded).rstrip() + note)
    return "\n".join(text)


def _cells(figures: Figures) -> list[str]:
    def number(value: int | None) -> str:
        return "-" if value is None else str(value)

    loop = figures.loop
    return [
        str(figures.subgroup_size), str(figures.registers), spills(figures), resident(figures), str(figures.lds_bytes),
        str(figures.instructions), number(figures.inverse_throughput), number(figures.latency),
        number(loop and loop.instructions), f"{loop.share:.2f}" if loop else "-",
    ]


def spills(figures: Figures) -> str:
    return "/".join(map(str, figures.spills)) if figures.spilled else "0"


def resident(figures: Figures) -> str:
    return f"{figures.occupancy.resident}/{figures.occupancy.most}"


def _loops(figures: Figures) -> str:
    def line(loop: Loop) -> str:
        mark = "hottest" if loop is figures.loop else ""
        frequent = ", ".join(f"{count} {name}" for name, count in list(loop.mix.items())[:8])
        return f"\n    {mark:8} {loop.instructions} instructions, {loop.multiply_adds} multiply-adds: {frequent}"

    return "".join(map(line, figures.loops))


# --- the page -----------------------------------------------------------------------------------------------------------


def markdown(records: list[Record], allowed: Allowed) -> str:
    """A row for the first variant of each kernel and size of workgroup; then what spills."""
    columns = [record.by_label() for record in records]
    shown: list[Row] = []
    seen: set[tuple[str, tuple[int, int, int]]] = set()
    for row in records[0].rows:
        if (row.kernel, row.workgroup) not in seen:
            seen.add((row.kernel, row.workgroup))
            shown.append(row)
    shown.sort(key=lambda row: (row.kernel, row.workgroup))
    lines = ["".join(f"- {record.target}: {record.compiler}\n" for record in records)]
    lines += _table(["kernel", "threads", *(record.target for record in records)], [
        [f"`{row.label}`", str(_product(row.workgroup)), *(_compact(column.get(row.label), record.target) for column, record in zip(columns, records))]
        for row in shown
    ])
    lines += ["", "Kernels that spill today: the largest number of spills and fills of all their variants, and why they are allowed to.", ""]
    lines += _table(["kernel", *(record.target for record in records), "reason"], _spilling(records, allowed))
    return "\n".join(lines) + "\n"


def _product(workgroup: tuple[int, int, int]) -> int:
    x, y, z = workgroup
    return x * y * z


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows]]


def _compact(row: Row | None, target: str) -> str:
    if row is None:
        return ""
    if isinstance(row.result, CompileError):
        return "refused"
    figures = row.result
    # Intel's threads nearly always fit: the width of a subgroup is what spills cost there.
    words = [str(figures.registers), f"simd{figures.subgroup_size}" if target in INTEL else resident(figures)]
    if figures.spilled:
        words.append(f"**{spills(figures)}**")
    if figures.loop:
        words.append(f"{figures.loop.share:.2f}")
    return ", ".join(words)


def _spilling(records: list[Record], allowed: Allowed) -> list[list[str]]:
    kernels = sorted({row.kernel for record in records for row in record.rows if row.spilled})
    lines = []
    for kernel in kernels:
        cells, reasons = [], {}
        for record in records:
            rows = [row for row in record.rows if row.kernel == kernel and row.spilled]
            cells.append(spills(max(rows, key=lambda row: row.spilled).result) if rows else "")
            if rows:
                reasons[allowed.reason(kernel, record.target) or "none is given"] = None
        lines.append([kernel, *cells, "; ".join(reasons)])
    return lines


def into_page(text: str) -> bool:
    """Puts it between the page's markers; whether that changed anything."""
    page = PAGE.read_text()
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has no markers for the table")
    changed = before + BEGIN + text + END + after
    PAGE.write_text(changed)
    return changed != page


def recorded() -> list[Record]:
    return [record for target in RECORDED if (record := Record.read(target)) is not None]
