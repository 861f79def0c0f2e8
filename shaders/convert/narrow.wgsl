// needs: copy_params grid
// tensor[base + i] = f16(workspace[i]), two to a word: a tensor out of the workspace, on a device that cannot store an f16
//
// One invocation writes one word. A half that is no element of the tensor keeps what it held: it may belong to another one.
// Dispatch: ceil((span / 2 + 1) / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> workspace: array<f32>;
@group(0) @binding(2) var<storage, read_write> tensor: array<u32>;

const LARGEST_F16: f32 = 65504.0;
const HALFWAY_BEYOND: f32 = 65520.0;

// Whether so many elements behind the first one there is another.
fn is_element(place: u32) -> bool {
    let strides = params.strides;
    let outer = place / params.outer_stride;
    var left = place % params.outer_stride;
    let x = left / strides.x;
    left %= strides.x;
    let y = left / strides.y;
    left %= strides.y;
    let z = left / strides.z;
    left %= strides.z;
    let within = all(vec4<u32>(x, y, z, left / strides.w) < params.extents);
    return outer < params.outer_extent && within && left % strides.w == 0u;
}

// What an f16 cannot hold is infinite; packing it would be undefined.
fn half(value: f32) -> u32 {
    let packed = pack2x16float(vec2<f32>(clamp(value, -LARGEST_F16, LARGEST_F16), 0.0)) & 0xffffu;
    let infinite = select(0x7c00u, 0xfc00u, value < 0.0);
    let finite = select(packed, infinite, abs(value) >= HALFWAY_BEYOND);
    let exponent = bitcast<u32>(value) & 0x7fffffffu;
    return select(finite, 0x7e00u, exponent > 0x7f800000u);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let base = params.base;
    let word = base / 2u + linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    if 2u * word >= base + params.span {
        return;
    }
    var bits = tensor[word];
    let low = 2u * word - base;
    // An odd base leaves the first low half to somebody else.
    if 2u * word >= base && is_element(low) {
        bits = (bits & 0xffff0000u) | half(load_workspace(low));
    }
    if low + 1u < params.span && is_element(low + 1u) {
        bits = (bits & 0xffffu) | (half(load_workspace(low + 1u)) << 16u);
    }
    tensor[word] = bits;
}
