// needs: view
// The uniform of the GEMM kernels: c[batch,group] = epilogue(a[group] * b[batch,group]), a is m x k, b is k x n.
// Column j of c is output position j, row i of group g is output channel g*m + i.
//
// The sum over k may be cut into slices, each a product of its own: then `batch` counts slices, and element k of a row
// lies in run k / run (distance a_run, b_run) at place k % run (distance a_column, b_row).

struct GemmParams {
    output: View,
    residual: View,
    output_size: vec3<u32>,
    batch: u32,
    m: u32,
    n: u32,
    k: u32,
    groups: u32,
    a_group: u32,
    a_row: u32,
    a_column: u32,
    b_base: u32,
    b_batch: u32,
    b_group: u32,
    b_row: u32,
    b_column: u32,
    activation: u32,
    has_bias: u32,
    has_residual: u32,
    slope: f32,
    a_base: u32,
    a_run: u32,
    b_run: u32,
    run: u32,
    slice: u32,
    // factor of what the output held before
    beta: f32,
    a_batch: u32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: GemmParams;
