// needs: pack_params grid
// packed[group,tap,column,row] = weight[group,row,column,tap]
//
// Weights in the order in which they are read, four rows to a vec4: for kernels whose lanes share loads by subgroup broadcast, and for tiles of GPUs. Rows are filled up with zeros to whole tiles, and columns to whole chunks.
// Dispatch: ceil(groups * ceil(row_pitch / 16) * 4 * ceil(column_pitch / CHUNK) / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, FLIP_KERNEL, CHUNK.

@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<vec4<f32>>;

// Element (row, column), which lies at `at`; zero where there is none.
fn load_element(at: u32, row: u32, column: u32) -> f32 {
    let exists = row < params.rows && column < params.columns;
    return select(0.0, load_weight(select(params.base, at, exists)), exists);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    // A chunk of columns for four rows, with all of its taps, so that what an index costs is shared. Neighbours write what lies in one line
    // of a cache.
    let n_chunks = (params.column_pitch + CHUNK - 1u) / CHUNK;
    let n_quads = params.row_pitch / 4u;
    let n_lines = (n_quads + 3u) / 4u;
    let begin = ix / 4u % n_chunks * CHUNK;
    let line = ix / 4u / n_chunks;
    let quad = line % n_lines * 4u + ix % 4u;
    let group = line / n_lines;
    if group >= params.groups || quad >= n_quads {
        return;
    }
    let row = 4u * quad;
    let end = min(begin + CHUNK, params.column_pitch);
    let first = params.base + group * params.group_stride + row * params.row_stride;
    for (var tap = 0u; tap < params.taps; tap++) {
        let start = first + select(tap, params.taps - 1u - tap, FLIP_KERNEL) * params.tap_stride;
        let to = (group * params.taps + tap) * params.column_pitch;
        for (var column = begin; column < end; column++) {
            let at = start + column * params.column_stride;
            store_packed(
                (to + column) * n_quads + quad,
                vec4<f32>(
                    load_element(at, row, column),
                    load_element(at + params.row_stride, row + 1u, column),
                    load_element(at + 2u * params.row_stride, row + 2u, column),
                    load_element(at + 3u * params.row_stride, row + 3u, column),
                ),
            );
        }
    }
}
