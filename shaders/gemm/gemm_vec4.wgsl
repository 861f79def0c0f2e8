// needs: gemm_params grid panel_tile vec4_matrices write_output
// c[batch,group][i,j] = epilogue(sum_k a[group][i,k] * b[batch,group][k,j])
//
// The tiles are those of the part panel_tile, over stored matrices that the part vec4_matrices reads by vec4s. The result may lie in
// any strides. FLAT says that its positions lie evenly spaced, `w` apart.
// Dispatch: parts * groups * ceil(m / BLOCK_ROWS) * ceil(columns / BLOCK_COLUMNS) workgroups, folded.
// Prelude: ROW_THREADS, COLUMN_THREADS, ROW_VEC4S, COLUMN_VEC4S, BLOCK_K, SPLIT_K, WHOLE_K, FLAT.

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// All of a batch have the same a.
const MERGED: bool = true;

// Four rows of a column.
fn write_column(tile: Tile, n: u32, row: u32, column: u32, values: vec4<f32>) {
    if column >= params.n {
        return;
    }
    var p = vec3<u32>(0u, 0u, column);
    if !FLAT {
        p = unravel(column, params.output_size);
    }
    for (var i = 0u; i < 4u; i++) {
        if row + i < params.m {
            write_output(n, tile.group * params.m + row + i, p, values[i]);
        }
    }
}

fn write_rows(tile: Tile, row_quad: u32, column_quad: u32, sums: mat4x4<f32>) {
    if column_quad >= n_columns_in_all() {
        return;
    }
    let place = column_place(tile, column_quad);
    let n = select(place.x, tile.part * params.batch + place.x, SPLIT_K);
    let columns = transpose(sums);
    let first = 4u * place.y;
    write_column(tile, n, 4u * row_quad, first, columns[0]);
    write_column(tile, n, 4u * row_quad, first + 1u, columns[1]);
    write_column(tile, n, 4u * row_quad, first + 2u, columns[2]);
    write_column(tile, n, 4u * row_quad, first + 3u, columns[3]);
}
