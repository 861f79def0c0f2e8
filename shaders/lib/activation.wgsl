// needs: nothing
// Element-wise functions applied last. NaN passes through: comparisons are written so that it fails them.

// erfc(x) for any x, fractional error below 1.2e-7: Chebyshev fit of W. H. Press et al., Numerical Recipes, 2nd
// edition, section 6.2.
fn erfc_approx(x: f32) -> f32 {
    let z = abs(x);
    let t = 1.0 / (1.0 + 0.5 * z);
    var p = 0.17087277;
    p = -0.82215223 + t * p;
    p = 1.48851587 + t * p;
    p = -1.13520398 + t * p;
    p = 0.27886807 + t * p;
    p = -0.18628806 + t * p;
    p = 0.09678418 + t * p;
    p = 0.37409196 + t * p;
    p = 1.00002368 + t * p;
    p = -1.26551223 + t * p;
    let tail = t * exp(p - z * z);
    return select(tail, 2.0 - tail, x < 0.0);
}

fn clamp_low(x: f32, low: f32) -> f32 {
    return select(x, low, x < low);
}

fn clamp_high(x: f32, high: f32) -> f32 {
    return select(x, high, x > high);
}

fn activate(x: f32, kind: u32, slope: f32) -> f32 {
    switch kind {
        case 1u: { // relu
            return clamp_low(x, 0.0);
        }
        case 2u: { // relu6
            return clamp_high(clamp_low(x, 0.0), 6.0);
        }
        case 3u: { // leaky relu
            return select(x, slope * x, x < 0.0);
        }
        case 4u: { // silu; the bound keeps exp finite, where the result has long vanished
            return x / (1.0 + exp(clamp_high(-x, 85.0)));
        }
        case 5u: { // hard-swish
            return x * clamp_high(clamp_low(x + 3.0, 0.0), 6.0) / 6.0;
        }
        case 6u: { // gelu
            return 0.5 * x * erfc_approx(-0.70710678 * x);
        }
        case 7u: { // gelu, tanh form; x·(1 + tanh(u))/2 = x / (1 + exp(-2u)), without the cancellation
            let u = 0.7978845608 * (x + 0.044715 * x * x * x);
            return x / (1.0 + exp(clamp_high(-2.0 * u, 85.0)));
        }
        default: {
            return x;
        }
    }
}
