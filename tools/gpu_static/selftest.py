"""The smallest shader, in both languages, to see that a compiler runs: every invocation writes 1.0 to one place."""

from __future__ import annotations

import struct

from .shader import Shader

MSL = """#include <metal_stdlib>
[[max_total_threads_per_threadgroup(64)]] kernel void main_(
  metal::uint3 id [[thread_position_in_grid]]
, device float& out [[buffer(0)]]
) {
    if (id.y == 0u) { out = 1.0; }
}
"""


def trivial_shader() -> Shader:
    return Shader("trivial", "trivial", (64, 1, 1), 0, _spirv(), "s", MSL, "main_")


def _spirv() -> bytes:
    (void, to_void, main, f32, u32, zero, one, block, to_block, out, to_f32, start, place) = range(1, 14)
    name = struct.unpack("<2I", b"main".ljust(8, b"\0"))
    capability, memory_model, entry_point, execution_mode, decorate, decorate_member = 17, 14, 15, 16, 71, 72
    program = [
        [capability, 1],  # Shader
        [memory_model, 0, 1],  # logical addresses, GLSL450
        [entry_point, 5, main, *name],  # GLCompute
        [execution_mode, main, 17, 64, 1, 1],  # LocalSize
        [decorate, block, 2],  # Block
        [decorate_member, block, 0, 35, 0],  # Offset
        [decorate, out, 34, 0],  # DescriptorSet
        [decorate, out, 33, 0],  # Binding
        [19, void],
        [33, to_void, void],
        [22, f32, 32],
        [21, u32, 32, 0],
        [43, u32, zero, 0],
        [43, f32, one, 0x3F800000],
        [30, block, f32],
        [32, to_block, 12, block],  # a pointer into a storage buffer
        [32, to_f32, 12, f32],
        [59, to_block, out, 12],  # OpVariable
        [54, void, main, 0, to_void],  # OpFunction
        [248, start],
        [65, to_f32, place, out, zero],  # OpAccessChain
        [62, place, one],  # OpStore
        [253],
        [56],
    ]
    words = [0x07230203, 0x00010300, 0, place + 1, 0]
    for opcode, *operands in program:
        words += [(1 + len(operands)) << 16 | opcode, *operands]
    return struct.pack(f"<{len(words)}I", *words)
