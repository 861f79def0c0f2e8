"""naga's MSL as CUDA C++, for NVRTC: native/metal_on_cuda.h, the text, and an entry point that calls Metal's kernel."""

from __future__ import annotations

import re

from .home import NATIVE
from .shader import CompileError, Shader

HEADER = NATIVE / "metal_on_cuda.h"

# Words of Metal that mean nothing to CUDA once parameters are passed by reference.
QUALIFIERS = "#define kernel\n#define device\n#define thread\n#define threadgroup\n#define constant const\nusing metal::half;\n"

_PARAMETER = re.compile(
    r"(?:(?P<space>device|constant|threadgroup)\s+)?(?P<type>[\w:]+(?:\s+const)?)\s*(?P<reference>&?)\s*(?P<name>\w+)"
    r"(?:\s*\[\[(?P<attribute>\w+)[^\]]*\]\])?"
)


def translate(shader: Shader, aliasing: bool = False, min_workgroups: int = 0) -> str:
    """`aliasing` leaves out __restrict__: buffers may overlap."""
    msl = shader.msl or ""
    if re.search(r"\bsimdgroup_(half|float)\d+x\d+\b", msl):
        raise CompileError("cooperative matrices are not translated to CUDA")
    found = re.search(rf"kernel void {re.escape(shader.msl_entry)}\(\n(.*?)\n\)\s*\{{", msl, re.DOTALL)
    if not found:
        raise CompileError(f"the MSL has no kernel {shader.msl_entry}")
    entry = _entry(shader, found[1], " __restrict__" if not aliasing else "", min_workgroups)
    return "\n".join([HEADER.read_text(), QUALIFIERS, _body(msl), entry])


def _entry(shader: Shader, parameters: str, restrict: str, min_workgroups: int) -> str:
    """Buffers are pointers there, workgroup memory is declared, built-in values are computed."""
    signature, declarations, arguments = [], [], []
    for text in parameters.split("\n"):
        found = _PARAMETER.fullmatch(text.strip().lstrip(",").strip())
        if not found:
            raise CompileError(f"the kernel's parameter is not understood: {text.strip()}")
        space, kind, name = found["space"], found["type"], found["name"]
        if space == "device":
            signature.append(f"{kind} *{restrict} {name}")
            arguments.append(f"*{name}")
        elif space == "constant":
            signature.append(f"const __grid_constant__ {kind} {name}")
            arguments.append(name)
        elif space == "threadgroup":
            declarations.append(f"    __shared__ {kind} {name};\n")
            arguments.append(name)
        else:
            arguments.append(_builtin(found["attribute"] or name, shader.workgroup_size))
    bounds = f"{shader.invocations}, {min_workgroups}" if min_workgroups else f"{shader.invocations}"
    return (
        f'extern "C" __global__ void __launch_bounds__({bounds}) entry({", ".join(signature)}) {{\n'
        f'{"".join(declarations)}    {shader.msl_entry}({", ".join(arguments)});\n}}\n'
    )


def _builtin(attribute: str, size: tuple[int, int, int]) -> str:
    x, y, z = size
    flat = y == z == 1
    local = "metal::uint3(threadIdx.x, 0u, 0u)" if flat else "metal::uint3(threadIdx.x, threadIdx.y, threadIdx.z)"
    index = "threadIdx.x" if flat else f"((threadIdx.z * {y}u + threadIdx.y) * {x}u + threadIdx.x)"
    group = "metal::uint3(blockIdx.x, blockIdx.y, blockIdx.z)"
    values = {
        "threadgroup_position_in_grid": group,
        "threadgroups_per_grid": "metal::uint3(gridDim.x, gridDim.y, gridDim.z)",
        "thread_position_in_threadgroup": local,
        "thread_index_in_threadgroup": index,
        "thread_position_in_grid": f"({group} * metal::uint3({x}u, {y}u, {z}u) + {local})",
        "thread_index_in_simdgroup": f"({index} % 32u)",
        "simdgroup_index_in_threadgroup": f"({index} / 32u)",
        "threads_per_simdgroup": "32u",
        "simdgroups_per_threadgroup": f"{-(-x * y * z // 32)}u",
    }
    if attribute not in values:
        raise CompileError(f"built-in value {attribute} is not translated to CUDA")
    return values[attribute]


def _body(msl: str) -> str:
    """The text without includes and attributes, with swizzles as calls."""
    def swizzle(found: re.Match) -> str:
        return f".swizzle<{', '.join(str('xyzw'.index(letter)) for letter in found[1])}>()"

    text = re.sub(r"^#include.*\n", "", msl, flags=re.MULTILINE)
    text = re.sub(r"\[\[.*?\]\]", "", text)
    text = re.sub(r"\.([xyzw]{2,4})\b(?!\s*\()", swizzle, text)
    # CUDA has vector types of these names in the global namespace.
    text = re.sub(r"(?<![\w:.])((?:float|half|int|uint|bool)[234])\b", r"metal::\1", text)
    # Literals of Metal are float.
    return re.sub(r"(?<![\w.])(\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+)(?![\w.])", r"\1f", text)
