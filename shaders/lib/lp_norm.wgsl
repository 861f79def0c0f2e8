// needs: classify
// |x|^p and its inverse. `pow` is exp2(p * log2(x)) and loses bits with the size of p * log2(x), so whole exponents are
// multiplied out and the root gets one Newton step.

fn power(x: f32, p: f32) -> f32 {
    if !is_finite(x) {
        return x;
    }
    let whole = u32(floor(min(p, 64.0)));
    var result = 1.0;
    for (var i = 0u; i < whole; i++) {
        result *= x;
    }
    let rest = p - f32(whole);
    if rest > 0.0 {
        result *= select(pow(x, rest), 0.0, x == 0.0);
    }
    return result;
}

fn root(sum: f32, p: f32) -> f32 {
    if !is_finite(sum) {
        return sum;
    }
    if p == 1.0 {
        return sum;
    }
    if p == 2.0 {
        return sqrt(sum);
    }
    if sum == 0.0 {
        return 0.0;
    }
    let guess = pow(sum, 1.0 / p);
    let slope = p * power(guess, p) / guess;
    let corrected = guess - (power(guess, p) - sum) / slope;
    // An overflowing or vanishing slope leaves nothing to correct with.
    return select(guess, corrected, slope > 1e-30 && slope < 1e30);
}
