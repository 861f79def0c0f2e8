"""`scripts/gpu-static`: see docs/gpu-compilers.md."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path

from . import compile as compiling
from . import exports, install, table, wgsl
from .debian import SetupError
from .home import FOLDER, NotInstalled, compiler, version
from .records import Allowed, Comparison, Record, Row, compare, unexplained
from .shader import CompileError, Shader
from .targets import RECORDED, ROUTES, Target, UnknownTarget, parse, parse_list

DONE, REGRESSION, BAD_ARGUMENTS, NOT_INSTALLED = 0, 1, 2, 4


def main(arguments: list[str]) -> int:
    os.nice(max(0, 19 - os.nice(0)))
    # `gpu-static --check` is how a script spells it.
    arguments = ["check", *arguments[1:]] if arguments[:1] == ["--check"] else arguments
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except (UnknownTarget, ValueError, exports.ExportError, FileNotFoundError) as error:
        print(f"gpu-static: {error}", file=sys.stderr)
        return BAD_ARGUMENTS
    except (NotInstalled, RuntimeError) as error:
        # Or it is installed and does not start.
        print(f"gpu-static: {error}", file=sys.stderr)
        return NOT_INSTALLED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpu-static", description="What GPU compilers make of the kernels, without a GPU: registers, spills, occupancy.",
        epilog="Exit codes: 0 done, 1 a regression, 2 bad arguments or no export, 4 a compiler is not installed. "
        f"Everything is kept in $WGCONV_GPU_STATIC ({FOLDER}).",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=run)
        return added

    setup = command("setup", _setup, "install compilers; without options all of them")
    for name, route in ROUTES.items():
        setup.add_argument(route.option, action="append_const", dest="routes", const=name, help=route.why)
    setup.add_argument("--wgsl", action="append_const", dest="routes", const="wgsl", help="naga, for `gpu-static wgsl`")

    command("targets", _targets, "list the chips that can be compiled for")

    run = command("run", _run, "compile the kernels of benches/static/layers.json and print their figures")
    _add_selection(run)
    _add_output(run)

    files = command("wgsl", _wgsl, "compile WGSL files and print their figures")
    files.add_argument("files", nargs="+", type=Path, metavar="FILE.wgsl")
    files.add_argument("--constant", action="append", default=[], metavar="NAME=VALUE", help="the value of an override")
    files.add_argument("--checks", action="store_true", help="bounds checks, bounded loops, zeroed workgroup memory: wgpu's default")
    _add_selection(files)
    _add_output(files)

    record = command("record", _record, "compile the kernels and write benches/static/TARGET.json")
    record.add_argument("--targets", metavar="LIST", help=f"default: {','.join(RECORDED)}")

    check = command("check", _check, "compile the kernels and compare with benches/static; also spelled --check")
    check.add_argument("--targets", metavar="LIST", help="default: all that have a record")

    page = command("table", _table, "write the table of docs/gpu-compilers.md from the records")
    page.add_argument("--print", action="store_true", dest="to_stdout", help="print it instead")
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--targets", metavar="LIST", help=f"as `gpu-static targets` lists them; default: those installed of {','.join(RECORDED)}")
    parser.add_argument("--match", metavar="REGEX", help="only kernels whose label has it")
    parser.add_argument("--robust", action="store_true", help="Mesa: with robustBufferAccess")
    parser.add_argument("--min-workgroups", type=int, default=0, metavar="N", help="NVRTC: leave registers for N workgroups per multiprocessor")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write all figures")
    parser.add_argument("--isa", type=Path, metavar="DIR", help="keep assembly and intermediate code in DIR/TARGET")
    parser.add_argument("--loops", action="store_true", help="list the loops with multiply-adds below each row")


# --- commands -----------------------------------------------------------------------------------------------------------


def _setup(options: argparse.Namespace) -> int:
    try:
        return DONE if install.setup(options.routes or list(install.INSTALLERS)) else NOT_INSTALLED
    except SetupError as error:
        print(f"gpu-static: {error}", file=sys.stderr)
        return NOT_INSTALLED


def _targets(_: argparse.Namespace) -> int:
    for name, route in ROUTES.items():
        found = version(name)
        print(f"{route.compiler} {found}" if found else f"{route.compiler}: not installed, `gpu-static setup {route.option}`")
        print(f"    {' '.join(route.names)}")
    print(
        "navi31.wave32 and dg2.simd16 force a subgroup size; sm_86.nvrtc and sm_80.nak pick the compiler; "
        "sm_90.alias is compiled as if buffers may overlap"
    )
    return DONE


def _run(options: argparse.Namespace) -> int:
    targets = _installed(options.targets)
    exported = exports.export_all(exports.wgconv())
    _warn(exported.complaints)
    return _report(_matching(exported.shaders, options.match), targets, options)


def _wgsl(options: argparse.Namespace) -> int:
    targets = _installed(options.targets)
    shaders: dict[str, Shader] = {}
    refused = False
    for file in options.files:
        try:
            for shader in wgsl.lower(file, options.constant, options.checks):
                shaders.setdefault(shader.digest, shader)
        except CompileError as error:
            print(error, file=sys.stderr)
            refused = True
    found = _report(_matching(list(shaders.values()), options.match), targets, options) if shaders else DONE
    return BAD_ARGUMENTS if refused else found


def _record(options: argparse.Namespace) -> int:
    targets = parse_list(options.targets or ",".join(RECORDED))
    for target in targets:
        compiler(target)
    exported = exports.export_all(exports.wgconv())
    _warn(exported.complaints)
    allowed = Allowed.read()
    for target in targets:
        new = _compile(exported.shaders, target)
        old = Record.read(target.name)
        if old and old.compiler == new.compiler:
            _print_comparison(compare(old, new, allowed))
        else:
            _warn(unexplained(new, allowed))
        print(f"{new.write().name}: {len(new.rows)} kernels by {new.compiler}")
    return DONE


def _check(options: argparse.Namespace) -> int:
    names = options.targets.split(",") if options.targets else [record.target for record in table.recorded()]
    records = {name: Record.read(parse(name).name) for name in names}
    if not records or None in records.values():
        print("gpu-static: benches/static has no such record: write it with `scripts/gpu-static record`", file=sys.stderr)
        return BAD_ARGUMENTS
    exported = exports.export_all(exports.wgconv())
    allowed = Allowed.read()
    failures = list(exported.complaints)
    _print_lines("failure: ", failures)
    missing = False
    for name, old in records.items():
        try:
            new_compiler = compiler(parse(name))
        except NotInstalled as error:
            print(f"not checked: {error}")
            missing = True
            continue
        if new_compiler != old.compiler:
            print(f"not comparable: {name} was recorded by {old.compiler}, here is {new_compiler}")
            continue
        new = _compile(exported.shaders, parse(name))
        comparison = compare(old, new, allowed)
        _print_comparison(comparison)
        _print_lines("", [f"{name}: {kernel} spills no more: take it out of allowed.json" for kernel in allowed.idle(new)])
        print(f"{name}: {len(new.rows)} kernels, {len(comparison.failures)} failures")
        failures += comparison.failures
    if failures:
        return REGRESSION
    return NOT_INSTALLED if missing else DONE


def _table(options: argparse.Namespace) -> int:
    records = table.recorded()
    if not records:
        raise ValueError("benches/static has no records: write them with `scripts/gpu-static record`")
    text = table.markdown(records, Allowed.read())
    if options.to_stdout:
        print(text, end="")
    else:
        print(f"{table.PAGE.name}: {'changed' if table.into_page(text) else 'as it was'}")
    return DONE


# --- what they share ------------------------------------------------------------------------------------------------------


def _installed(text: str | None) -> list[Target]:
    if text:
        targets = parse_list(text)
        for target in targets:
            compiler(target)
        return targets
    targets = [target for target in map(parse, RECORDED) if version(target.route)]
    if not targets:
        raise NotInstalled("no compiler is installed: `scripts/gpu-static setup`")
    return targets


def _matching(shaders: list[Shader], pattern: str | None) -> list[Shader]:
    try:
        found = [shader for shader in shaders if not pattern or any(re.search(pattern, label) for label in [shader.label, *shader.also])]
    except re.error as error:
        raise ValueError(f"--match: {error}") from None
    if not found:
        raise ValueError(f"--match: no kernel has {pattern}")
    return found


def _compile(shaders: list[Shader], target: Target, options: compiling.Options = compiling.Options()) -> Record:
    results = compiling.compile_all(shaders, target, options)
    return Record(target.name, compiler(target), [Row.of(shader, results[shader.label]) for shader in shaders])


def _report(shaders: list[Shader], targets: list[Target], options: argparse.Namespace) -> int:
    how = compiling.Options(options.robust, options.min_workgroups, options.isa)
    records = [_compile(shaders, target, how) for target in targets]
    rows = [(record.rows[i], target) for i in range(len(shaders)) for record, target in zip(records, targets)]
    print(table.terminal(rows, options.loops))
    for record in records:
        print(f"{record.target}: {record.compiler}")
    if options.out:
        document = [
            row.to_json() | {"target": record.target, "compiler": record.compiler} | (
                {} if isinstance(row.result, CompileError) else {"loops": row.result.to_json_with_loops()["loops"]}
            )
            for record in records for row in record.rows
        ]
        options.out.write_text(json.dumps(document, indent=1) + "\n")
    return DONE


def _print_comparison(comparison: Comparison) -> None:
    _print_lines("better:  ", comparison.better)
    _print_lines("new:     ", comparison.new[:20])
    _print_lines("gone:    ", comparison.gone[:20])
    for what, labels in (("new", comparison.new), ("gone", comparison.gone)):
        if len(labels) > 20:
            print(f"and {len(labels) - 20} more that are {what}")
    _print_lines("failure: ", comparison.failures)


def _print_lines(prefix: str, lines: list[str]) -> None:
    for line in lines:
        print(f"{prefix}{line}")


def _warn(lines: list[str]) -> None:
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)
