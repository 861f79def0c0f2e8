// needs: view window_params grid packed_input
// packed[n, og, quad, y + 1, x + 1] = (input[n, ci, y, x], .. input[n, ci + 3, y, x]) with ci = og*C + 4*quad, C = c_in/offset_groups,
// and zeros around: see the part packed_input.
//
// One invocation computes one vec4: four loads a channel apart, of which neighbours read neighbouring pixels, and one store.
// Dispatch: ceil(batch * offset_groups * ceil(C / 4) * (h + 2) * (w + 2) / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let packed_ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let place = packed_ix % packed_plane();
    let y = place / packed_pitch();
    let x = place % packed_pitch();
    let plane = packed_ix / packed_plane();
    let quad = plane % n_quads();
    let sequence = plane / n_quads();
    let n = sequence / params.offset_groups;
    if n >= params.batch {
        return;
    }
    var values = vec4<f32>();
    if y > 0u && y <= params.input_size.y && x > 0u && x <= params.input_size.z {
        let channels = params.c_in / params.offset_groups;
        let begin = sequence % params.offset_groups * channels;
        let ci = begin + min(vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(channels - 1u));
        let at = view_index(params.input, n, 0u, vec3<u32>(0u, y - 1u, x - 1u)) + ci * params.input.c;
        values = vec4<f32>(load_input(at.x), load_input(at.y), load_input(at.z), load_input(at.w));
    }
    packed[packed_ix] = values;
}
