// needs: activation
// Derivatives of `activate`. At a kink: 0 for relu at 0 and for relu6 at 0 and at 6, the slope for leaky relu at 0, 0 and
// 1 for hard-swish at -3 and at 3. NaN stays NaN where the derivative depends on the value.

fn activation_derivative(x: f32, kind: u32, slope: f32) -> f32 {
    switch kind {
        case 1u: { // relu
            return select(0.0, 1.0, x > 0.0);
        }
        case 2u: { // relu6
            return select(0.0, 1.0, x > 0.0 && x < 6.0);
        }
        case 3u: { // leaky relu
            return select(slope, 1.0, x > 0.0);
        }
        case 4u: { // silu; where the bounds take hold the sigmoid is 0 or 1 and x·up·down has vanished
            let bounded = clamp_high(clamp_low(x, -85.0), 85.0);
            let up = 1.0 / (1.0 + exp(-bounded));
            let down = 1.0 / (1.0 + exp(bounded));
            return up + bounded * up * down;
        }
        case 5u: { // hard-swish
            return select(select(x / 3.0 + 0.5, 0.0, x <= -3.0), 1.0, x >= 3.0);
        }
        case 6u: { // gelu; the density has vanished beyond the bound
            let bounded = clamp_high(clamp_low(x, -13.0), 13.0);
            let density = 0.3989422804 * exp(-0.5 * bounded * bounded);
            return 0.5 * erfc_approx(-0.70710678 * bounded) + bounded * density;
        }
        case 7u: { // gelu, tanh form: (1 + tanh(u))/2 = sigmoid(2u), and its derivative
            let bounded = clamp_high(clamp_low(x, -8.0), 8.0);
            let u = 0.7978845608 * (bounded + 0.044715 * bounded * bounded * bounded);
            let inner = 0.7978845608 * (1.0 + 0.134145 * bounded * bounded);
            let up = 1.0 / (1.0 + exp(clamp_high(-2.0 * u, 85.0)));
            let down = 1.0 / (1.0 + exp(clamp_high(2.0 * u, 85.0)));
            return up + 2.0 * bounded * inner * up * down;
        }
        default: {
            return 1.0;
        }
    }
}
