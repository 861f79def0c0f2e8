// needs: nothing
// Four rows of a one by one, at any strides. Wants the binding `a` of scalars and gemm_params.

alias Rows = vec4<u32>;

// Rows `first` to `first` + 3 of those that start at `start`. Beyond `last` they repeat it.
fn rows_at(start: u32, first: u32, last: u32) -> Rows {
    return start + min(first + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last)) * params.a_row;
}

// So many elements further on.
fn load_rows(rows: Rows, distance: u32, exists: bool) -> vec4<f32> {
    let at = rows + distance;
    return select(vec4<f32>(), vec4<f32>(load_a(at.x), load_a(at.y), load_a(at.z), load_a(at.w)), exists);
}
