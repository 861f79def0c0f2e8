// needs: window_params grid bilinear cells sampling_index sampling_point
// keys[n,og,point] = the bilinear cell that the point falls in, or n_cells() where it has no sample;
// points[n,og,point] = (fraction of y, fraction of x, mask, 0)
// COUNTED: counts[n,og,cell] += points in the cell, and ranks[n,og,point] = how many of them came before the point. They come in
// any order, so the ranks differ from run to run; nothing but a place in a list that is sorted later may depend on them.
//
// One invocation takes one sampling point.
// Dispatch: ceil(batch * offset_groups * kh * kw * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK, COUNTED.

@group(0) @binding(1) var<storage, read> offset: array<f32>;
@group(0) @binding(2) var<storage, read> mask: array<f32>;
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> points: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> ranks: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    if ix >= params.batch * params.offset_groups * n_points() {
        return;
    }
    let s = sampling_index(ix, 1u);
    let at = sampling_point(s.n, s.offset_group, s.tap, s.o);
    let taps = bilinear_taps(at.x, at.y, params.input_size.y, params.input_size.z);
    var key = n_cells();
    var point = vec4<f32>();
    if taps.inside {
        let corner = vec2<u32>(vec2<i32>(floor(at)) + 1);
        key = cell_ix(corner.x, corner.y);
        point = vec4<f32>(taps.fraction, modulation_at(s.n, s.offset_group, s.tap, s.o), 0.0);
        if COUNTED {
            ranks[ix] = atomicAdd(&counts[ix / n_points() * n_cells() + key], 1u);
        }
    }
    keys[ix] = key;
    points[ix] = point;
}
