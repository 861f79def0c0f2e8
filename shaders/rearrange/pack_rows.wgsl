// needs: gemm_params grid
// packed[group,tap,k,row] = a[group,row,k,tap]
//
// Weights in the order in which they are read, four rows to a vec4: for kernels whose lanes load for each other, and for tiles of GPUs. Rows are filled up with zeros to whole tiles, and k to whole chunks.
// The uniform says in `m` how many rows there are, in `n` how many a packed row holds, in `k` and `slice` the same of k; taps take the
// place of the batch.
// Dispatch: ceil(groups * ceil(n / 16) * 4 * ceil(slice / CHUNK) / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, FLIP_KERNEL, CHUNK.

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;

// Element (row, k), which lies at `at`; zero where there is none.
fn load_element(at: u32, row: u32, k: u32) -> f32 {
    let exists = row < params.m && k < params.k;
    return select(0.0, load_a(select(params.a_base, at, exists)), exists);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    // A chunk of k for four rows, with all of its taps, so that what an index costs is shared. Neighbours write what lies in one line
    // of a cache.
    let n_chunks = (params.slice + CHUNK - 1u) / CHUNK;
    let n_quads = params.n / 4u;
    let n_lines = (n_quads + 3u) / 4u;
    let begin = ix / 4u % n_chunks * CHUNK;
    let line = ix / 4u / n_chunks;
    let quad = line % n_lines * 4u + ix % 4u;
    let group = line / n_lines;
    if group >= params.groups || quad >= n_quads {
        return;
    }
    let row = 4u * quad;
    let end = min(begin + CHUNK, params.slice);
    let first = params.a_base + group * params.a_group + row * params.a_row;
    for (var tap = 0u; tap < params.batch; tap++) {
        let start = first + select(tap, params.batch - 1u - tap, FLIP_KERNEL) * params.a_batch;
        let to = (group * params.batch + tap) * params.slice;
        for (var k = begin; k < end; k++) {
            let at = start + k * params.a_column;
            store_output(
                (to + k) * n_quads + quad,
                vec4<f32>(
                    load_element(at, row, k),
                    load_element(at + params.a_row, row + 1u, k),
                    load_element(at + 2u * params.a_row, row + 2u, k),
                    load_element(at + 3u * params.a_row, row + 3u, k),
                ),
            );
        }
    }
}
