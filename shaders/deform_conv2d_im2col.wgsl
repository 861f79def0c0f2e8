// column[n, ci*T + t, position] = mask[n, og(ci), t, position] * sample(input[n,ci], y_t, x_t)
// with the sampling point of deform_conv2d_direct. A GEMM with the weight follows.
//
// One invocation takes one (image, offset group, tap, position): it computes the four corners once and walks the
// channels of the offset group.
// Dispatch: ceil(batch * offset_groups * T * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> offset: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_positions = params.output_size.y * params.output_size.z;
    let n_taps = params.kernel_size.y * params.kernel_size.z;
    var ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let position = ix % n_positions;
    ix /= n_positions;
    let tap = ix % n_taps;
    ix /= n_taps;
    let offset_group = ix % params.offset_groups;
    let n = ix / params.offset_groups;
    if n >= params.batch {
        return;
    }
    let o = unravel(position, params.output_size);
    let grid_y = i32(o.y * params.stride.y + tap / params.kernel_size.z * params.dilation.y) - i32(params.pad_begin.y);
    let grid_x = i32(o.z * params.stride.z + tap % params.kernel_size.z * params.dilation.z) - i32(params.pad_begin.z);
    let offset_tap = offset_group * n_taps + tap;
    let y = f32(grid_y) + load_offset(view_index(params.offset, n, offset_tap * 2u, o));
    let x = f32(grid_x) + load_offset(view_index(params.offset, n, offset_tap * 2u + 1u, o));
    let taps = bilinear_taps(y, x, params.input_size.y, params.input_size.z);
    var modulation = 1.0;
    if HAS_MASK {
        modulation = load_mask(view_index(params.mask, n, offset_tap, o));
    }
    let channels = params.c_in / params.offset_groups;
    var ci = offset_group * channels;
    var plane = view_index(params.input, n, ci, vec3<u32>(0u));
    for (var i = 0u; i < channels; i++) {
        var value = 0.0;
        if taps.inside {
            value = modulation * sample_plane(plane, taps);
        }
        store_output(view_index(params.output, n, ci * n_taps + tap, vec3<u32>(0u, 0u, position)), value);
        plane += params.input.c;
        ci++;
    }
}
