// needs: nothing
// Four rows of a as one vec4, for rows that are neighbours in columns that start at multiples of four elements. Wants the binding `a`
// of vec4s and gemm_params.

// Which vec4.
alias Rows = u32;

// Rows `first` to `first` + 3 of those that start at `start`; beyond `last` the last four. What a column holds behind the last row is
// read and dropped.
fn rows_at(start: u32, first: u32, last: u32) -> Rows {
    return start / 4u + min(first, last) / 4u;
}

// So many elements further on.
fn load_rows(rows: Rows, distance: u32, exists: bool) -> vec4<f32> {
    return select(vec4<f32>(), load_a(rows + distance / 4u), exists);
}
