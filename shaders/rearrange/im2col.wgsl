// needs: view window_params grid padding
// columns[n, ci*T + t, l] = input[n, ci, o(l)*stride - pad + k(t)*dilation], T = prod(kernel), l and t row-major.
// Padding reads as PADDING_MODE says; FLIP_KERNEL mirrors the order of the taps.
//
// One invocation writes one element; neighbours hold neighbouring columns, or with POSITION_MAJOR neighbouring rows, for
// columns that are transposed in memory. Also stage one of im2col + GEMM.
// Dispatch: ceil(batch * c_in * T * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL, POSITION_MAJOR.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> columns: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_rows = params.c_in * n_taps;
    let n = ix / n_positions / n_rows;
    var position = ix % n_positions;
    var row = ix / n_positions % n_rows;
    if POSITION_MAJOR {
        row = ix % n_rows;
        position = ix / n_rows % n_positions;
    }
    if n >= params.batch {
        return;
    }
    let ci = row / n_taps;
    var tap = row % n_taps;
    if FLIP_KERNEL {
        tap = n_taps - 1u - tap;
    }
    let k = unravel(tap, kernel);
    let o = unravel(position, params.output_size);
    let p = vec3<i32>(o * params.stride + k * params.dilation) - vec3<i32>(params.pad_begin);
    let extent = vec3<i32>(params.input_size);
    let d = padded_coordinate(p.x, extent.x);
    let h = padded_coordinate(p.y, extent.y);
    let w = padded_coordinate(p.z, extent.z);
    var value = 0.0;
    if d != OUTSIDE && h != OUTSIDE && w != OUTSIDE {
        value = load_input(view_index(params.input, n, ci, vec3<u32>(vec3<i32>(d, h, w))));
    }
    let column_ix = view_index(params.columns, n, row, vec3<u32>(0u, 0u, position));
    if params.beta != 0.0 {
        value += params.beta * load_columns(column_ix);
    }
    store_columns(column_ix, value);
}
