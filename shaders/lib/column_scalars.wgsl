// needs: nothing
// Four columns of b one by one, WORKGROUP apart, at any strides. Wants the binding `b` of scalars and gemm_params.

// The first elements of four columns.
alias Place = vec4<u32>;

fn column_ix(tile: u32, local_ix: u32, i: u32) -> u32 {
    return (4u * tile + i) * WORKGROUP + local_ix;
}

// Columns beyond the edge repeat the last one.
fn place_columns(start: u32, tile: u32, local_ix: u32) -> Place {
    let columns = column_ix(tile, local_ix, 0u) + vec4<u32>(0u, 1u, 2u, 3u) * WORKGROUP;
    return start + min(columns, vec4<u32>(params.n - 1u)) * params.b_column;
}

fn advance(at: Place, distance: u32) -> Place {
    return at + distance;
}

fn load_columns(at: Place) -> vec4<f32> {
    return vec4<f32>(load_b(at.x), load_b(at.y), load_b(at.z), load_b(at.w));
}
