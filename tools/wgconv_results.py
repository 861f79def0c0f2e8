"""What wgconv writes, as plain Python: dictionaries, lists of dictionaries, memoryviews. Standard library alone.

    import wgconv_results
    for row in wgconv_results.failures(wgconv_results.check("cases/stem")):
        print(row["case"], row["algorithm"], row["reason"])
    output = wgconv_results.run("cases/stem")["output"]          # numpy.asarray(output), torch.from_numpy(...)
    rows = wgconv_results.bench_rows("a.json")                   # one dictionary a measurement
    print(wgconv_results.table(rows, "layer", "algorithm", "median_ms", "gflops"))
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wgconv_cases import read_npy

BENCH_SCHEMA = "wgconv-bench/1"
DIFF_SCHEMA = "wgconv-diff/1"


class ResultError(RuntimeError):
    """wgconv refused, or a file is none that this module reads; `code` is wgconv's exit code where it ran."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


def wgconv(*args: str | Path, program: str | Path | None = None, accept: Iterable[int] = (0,)) -> str:
    """Runs the command line and returns what it printed. The program is `WGCONV`, or `wgconv` on the path."""
    command = [str(program or os.environ.get("WGCONV", "wgconv")), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in set(accept):
        raise ResultError(done.stderr.strip() or f"{command[0]}: exit code {done.returncode}", done.returncode)
    return done.stdout


def check(*paths: str | Path, program: str | Path | None = None, options: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The comparisons of `wgconv check --json`, also those that failed and those that were not supported."""
    report = json.loads(wgconv("check", *paths, "--json", *options, program=program, accept=(0, 1, 3)))
    return list(report["comparisons"])


def failures(comparisons: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that did not pass."""
    return [row for row in comparisons if row["verdict"] == "fail"]


def run(case: str | Path, program: str | Path | None = None, options: Sequence[str] = ()) -> dict[str, memoryview]:
    """What `wgconv run` computes of a case, by the names of its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        wgconv("run", case, "--out", folder, *options, program=program)
        return outputs(folder)


def outputs(folder: str | Path) -> dict[str, memoryview]:
    """The arrays in a folder of `wgconv run --out`."""
    return {path.stem: read_npy(path) for path in sorted(Path(folder).glob("*.npy"))}


def _read(path: str | Path, schema: str) -> dict[str, Any]:
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: {error}") from error
    found = record.get("schema") if isinstance(record, dict) else None
    if found != schema:
        raise ResultError(f"{path}: schema = {found!r}: it must be {schema!r}")
    return record


def bench_rows(path: str | Path) -> list[dict[str, Any]]:
    """The measurements of a record of `wgconv bench --out`, flat: device and summary spread out, rates worked out. Rows
    that are not `right` have no times."""
    record = _read(path, BENCH_SCHEMA)
    devices = {device["id"]: device for device in record["devices"]}
    rows = []
    for row in record["rows"]:
        device, summary, bound = devices[row["device"]], row["summary_ms"] or {}, row["bound"] or {}
        median = summary.get("median")
        flat = {key: value for key, value in row.items() if not isinstance(value, (dict, list))}
        flat |= {f"{name}_ms": value for name, value in summary.items() if isinstance(value, (int, float))}
        flat |= {"adapter": device["name"], "backend": device["backend"], "driver": device["driver_info"]}
        flat["gflops"] = row["flops"] * 1e-6 / median if median and row["flops"] else None
        flat["gbytes"] = row["min_bytes"] * 1e-6 / median if median else None
        flat["limit_fraction"] = bound.get("fraction")
        rows.append(flat)
    return rows


def diff_rows(path: str | Path) -> list[dict[str, Any]]:
    """The results of a file of `wgconv diff --out`, with the device's name beside each."""
    record = _read(path, DIFF_SCHEMA)
    devices = {device["id"]: device for device in record["devices"]}
    return [
        {key: value for key, value in result.items() if not isinstance(value, (dict, list))}
        | {"adapter": devices[result["device"]]["name"], "backend": devices[result["device"]]["backend"]}
        for result in record["results"]
    ]


def table(rows: Iterable[Mapping[str, Any]], *columns: str) -> str:
    """Rows as text, under the names of their columns."""

    def cell(value: Any) -> str:
        return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

    lines = [list(columns), *([cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines)
