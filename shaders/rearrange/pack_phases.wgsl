// needs: window_params grid phase_frame
// packed[group,phase,tap,ci,co] = weight[ci, co mod OPG, k], k being the tap of a phase of a transposed convolution
//
// As `pack_rows`, for `conv_subgroup_wide` over the phases of a column PHASE_W: the taps of a phase are turned, so that they meet the
// input in its own order. What a phase with fewer taps than others leaves of its place is not written.
// Dispatch: ceil(groups * ceil(rows / 16) * 4 * columns / WORKGROUP) workgroups, folded; rows and columns are channels that fill up
// tiles and chunks.
// Prelude: WORKGROUP, FLIP_KERNEL, STEP, TILE_CO, PHASE_W, as in `conv_subgroup_wide`.

@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4<f32>>;

fn load_element(at: u32, exists: bool) -> f32 {
    return select(0.0, load_weight(select(0u, at, exists)), exists);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let channels = params.c_in / params.groups;
    let co_per_group = params.c_out / params.groups;
    let n_columns = (channels + STEP - 1u) / STEP * STEP;
    let n_quads = (co_per_group + TILE_CO - 1u) / TILE_CO * (TILE_CO / 4u);
    // Neighbours write what lies in one line of a cache.
    let n_lines = (n_quads + 3u) / 4u;
    let ci = ix / 4u % n_columns;
    let line = ix / 4u / n_columns;
    let quad = line % n_lines * 4u + ix % 4u;
    let group = line / n_lines;
    if group >= params.groups || quad >= n_quads {
        return;
    }
    let kernel = params.kernel_size;
    let stride = params.stride;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let co = 4u * quad;
    let row = ((group * channels + ci) * co_per_group + co) * n_taps;
    let exists = vec4<u32>(co) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(select(0u, co_per_group, ci < channels));
    let most = most_taps();
    for (var i = 0u; i < stride.x * stride.y; i++) {
        let phase = phase_frame(vec2<u32>(i / stride.y, i % stride.y));
        let taps = phase.taps;
        let place = (group * stride.x * stride.y + i) * most.x * most.y * taps.z;
        for (var tap = 0u; tap < taps.x * taps.y * taps.z; tap++) {
            let turned = taps - 1u - vec3<u32>(tap / (taps.y * taps.z), tap / taps.z % taps.y, tap % taps.z);
            let k = phase.first_tap + turned * stride;
            let stored = (k.x * kernel.y + k.y) * kernel.z + k.z;
            let at = row + select(stored, n_taps - 1u - stored, FLIP_KERNEL);
            store_packed(
                ((place + tap) * n_columns + ci) * n_quads + quad,
                vec4<f32>(
                    load_element(at, exists.x),
                    load_element(at + n_taps, exists.y),
                    load_element(at + 2u * n_taps, exists.z),
                    load_element(at + 3u * n_taps, exists.w),
                ),
            );
        }
    }
}
