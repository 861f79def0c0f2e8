// needs: view window_params grid bilinear sampling_index sampling_point
// grad_input[n,ci,corner] += mask * grad_columns[n, ci*T + t, o] * (weight of the corner), for the 4 corners of every point
//
// One invocation takes one (image, offset group, tap, position) and walks the channels. The atomic additions come in any
// order: the last bits differ from run to run. Needs a device with f32 atomics.
// Dispatch: ceil(batch * offset_groups * T * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK.

@group(0) @binding(1) var<storage, read> offset: array<f32>;
@group(0) @binding(2) var<storage, read> mask: array<f32>;
@group(0) @binding(3) var<storage, read> grad_columns: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_input: array<atomic<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let s = sampling_index(linear_workgroup(workgroup, grid) * WORKGROUP + local_ix, 1u);
    if s.n >= params.batch {
        return;
    }
    let at = sampling_point(s.n, s.offset_group, s.tap, s.o);
    let taps = bilinear_taps(at.x, at.y, params.input_size.y, params.input_size.z);
    if !taps.inside {
        return;
    }
    let modulation = modulation_at(s.n, s.offset_group, s.tap, s.o);
    let n_taps = params.kernel_size.y * params.kernel_size.z;
    let channels = params.c_in / params.offset_groups;
    let row = s.offset_group * channels * n_taps + s.tap;
    var plane = view_index(params.grad_input, s.n, s.offset_group * channels, vec3<u32>(0u));
    var grad_ix = s.n * params.grad_columns.n + row * params.grad_columns.c + s.position * params.grad_columns.w;
    let counts = taps.valid & (taps.weight != vec4<f32>());
    let corners = taps.y * params.grad_input.h + taps.x * params.grad_input.w;
    for (var i = 0u; i < channels; i++) {
        let grad = modulation * grad_columns[grad_ix] * taps.weight;
        // A corner without weight gets nothing, even of an infinity.
        if counts.x { atomicAdd(&grad_input[plane + corners.x], grad.x); }
        if counts.y { atomicAdd(&grad_input[plane + corners.y], grad.y); }
        if counts.z { atomicAdd(&grad_input[plane + corners.z], grad.z); }
        if counts.w { atomicAdd(&grad_input[plane + corners.w], grad.w); }
        plane += params.grad_input.c;
        grad_ix += n_taps * params.grad_columns.c;
    }
}
