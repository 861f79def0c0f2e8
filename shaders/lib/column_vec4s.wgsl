// needs: nothing
// Four columns of b as one vec4: neighbours, dense in rows that start at multiples of four elements. Wants the binding `b` of vec4s and
// gemm_params.

// Which vec4 of b.
alias Place = u32;

fn column_ix(tile: u32, local_ix: u32, i: u32) -> u32 {
    return 4u * (tile * WORKGROUP + local_ix) + i;
}

// Columns beyond the edge repeat the last ones.
fn place_columns(start: u32, tile: u32, local_ix: u32) -> Place {
    return start / 4u + min(tile * WORKGROUP + local_ix, (params.n - 1u) / 4u);
}

fn advance(at: Place, distance: u32) -> Place {
    return at + distance / 4u;
}

fn load_columns(at: Place) -> vec4<f32> {
    return load_b(at);
}
