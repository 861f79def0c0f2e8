// needs: view activation
// What follows the bias in write_output, whose prelude it shares, for four neighbours of a row at once. Wants the bindings residual
// and output as vec4s, rows that start at multiples of four elements, and dense columns.

fn write_row(n: u32, co: u32, p: vec3<u32>, biased: vec4<f32>) {
    var value = biased;
    if HAS_RESIDUAL {
        value += load_residual(view_index(params.residual, n, co, p) / 4u);
    }
    value = vec4<f32>(
        activate(value.x, ACTIVATION, params.slope),
        activate(value.y, ACTIVATION, params.slope),
        activate(value.z, ACTIVATION, params.slope),
        activate(value.w, ACTIVATION, params.slope),
    );
    let ix = view_index(params.output, n, co, p) / 4u;
    // What an overwritten buffer holds may be NaN.
    if ACCUMULATES && params.beta != 0.0 {
        value += params.beta * load_output(ix);
    }
    store_output(ix, value);
}
