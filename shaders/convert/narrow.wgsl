// needs: window_params grid
// output[n,c,o] = f16(input[n,c,o]), two to a word: a tensor out of the workspace, on a device that cannot store an f16
//
// One invocation writes one word. A half that is no element of the tensor keeps what it held: it may belong to another one.
// The view of the output lists the axes from the coarsest stride to the finest, the extents likewise, and `count` elements
// lie from its first to its last one.
// Dispatch: ceil((count / 2 + 1) / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

const LARGEST_F16: f32 = 65504.0;
const HALFWAY_BEYOND: f32 = 65520.0;

// Whether so many elements behind the first one there is another.
fn is_element(place: u32) -> bool {
    let view = params.output;
    let size = params.output_size;
    let n = place / view.n;
    let in_image = place % view.n;
    let c = in_image / view.c;
    let in_channel = in_image % view.c;
    let d = in_channel / view.d;
    let in_slice = in_channel % view.d;
    let h = in_slice / view.h;
    let in_row = in_slice % view.h;
    let within = n < params.batch && c < params.c_out && d < size.x && h < size.y && in_row / view.w < size.z;
    return within && in_row % view.w == 0u;
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
    let base = params.output.base;
    let word = base / 2u + linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    if 2u * word >= base + params.count {
        return;
    }
    var bits = output[word];
    let low = 2u * word - base;
    // An odd base leaves the first low half to somebody else.
    if 2u * word >= base && is_element(low) {
        bits = (bits & 0xffff0000u) | half(load_input(low));
    }
    if low + 1u < params.count && is_element(low + 1u) {
        bits = (bits & 0xffffu) | (half(load_input(low + 1u)) << 16u);
    }
    output[word] = bits;
}
