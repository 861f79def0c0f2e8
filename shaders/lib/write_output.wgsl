// needs: view activation
// The epilogue: output = activation(sum + bias + residual) + beta * output. Needs the bindings bias, residual and output,
// and a uniform with View fields `output` and `residual`. What it consists of is in the prelude: ACTIVATION, HAS_BIAS,
// HAS_RESIDUAL, and ACCUMULATES where beta may differ from zero. A driver for CPUs runs every branch that it cannot fold
// away, loads included.

fn write_output(n: u32, co: u32, p: vec3<u32>, sum: f32) {
    var value = sum;
    if HAS_BIAS {
        value += load_bias(co);
    }
    write_biased(n, co, p, value);
}

// What follows the bias.
fn write_biased(n: u32, co: u32, p: vec3<u32>, biased: f32) {
    var value = biased;
    if HAS_RESIDUAL {
        value += load_residual(view_index(params.residual, n, co, p));
    }
    value = activate(value, ACTIVATION, params.slope);
    let ix = view_index(params.output, n, co, p);
    // What an overwritten buffer holds may be NaN.
    if ACCUMULATES && params.beta != 0.0 {
        value += params.beta * load_output(ix);
    }
    store_output(ix, value);
}
