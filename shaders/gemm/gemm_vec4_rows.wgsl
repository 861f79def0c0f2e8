// needs: gemm_params panel_tile vec4_matrices write_row
// c[batch,group][i,j] = epilogue(sum_k a[batch,group][i,k] * b[batch,group][k,j])
//
// As gemm_vec4, where rows of the result start at multiples of four elements and are dense: they are stored by vec4s. The last one
// of a row may reach past n, into what fills up the row.
// Dispatch: parts * groups * ceil(m / BLOCK_ROWS) * ceil(columns / BLOCK_COLUMNS) workgroups, folded.
// Prelude: ROW_THREADS, COLUMN_THREADS, ROW_VEC4S, COLUMN_VEC4S, BLOCK_K, MERGED, SPLIT_K, WHOLE_K.

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4<f32>>;

fn write_biased_row(tile: Tile, n: u32, row: u32, column: u32, values: vec4<f32>) {
    if row >= params.m {
        return;
    }
    let co = tile.group * params.m + row;
    var biased = values;
    if HAS_BIAS {
        biased += load_bias(co);
    }
    write_row(n, co, vec3<u32>(0u, 0u, column), biased);
}

fn write_rows(tile: Tile, row_quad: u32, column_quad: u32, sums: mat4x4<f32>) {
    if column_quad >= n_columns_in_all() {
        return;
    }
    let place = column_place(tile, column_quad);
    let n = select(place.x, tile.part * params.batch + place.x, SPLIT_K);
    let row = 4u * row_quad;
    write_biased_row(tile, n, row, 4u * place.y, sums[0]);
    write_biased_row(tile, n, row + 1u, 4u * place.y, sums[1]);
    write_biased_row(tile, n, row + 2u, 4u * place.y, sums[2]);
    write_biased_row(tile, n, row + 3u, 4u * place.y, sums[3]);
}
