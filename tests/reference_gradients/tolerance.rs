//! That the tolerances hold for plain loops in f32.

use super::*;

/// Plain f32 loops, with an activation, stay within tolerances that are not generous either.
#[test]
fn tolerances_hold_for_f32() {
    let mut numbers = Numbers(10);
    let mut real = |n: usize| -> Vec<f32> {
        (0..n).map(|_| ((numbers.next() & 0xff_ffff) as f64 / 0x80_0000 as f64 - 1.0) as f32).collect()
    };
    for activation in [Activation::Identity, Activation::Silu, Activation::LeakyRelu { slope: 0.1 }] {
        let (c_in, c_out, len, k) = (16, 8, 40, 5);
        let problem = Conv::new(1, c_in, Axes::from([len + k - 1]), c_out, [k]).activation(activation).into();
        let (x, w, g) = (real(c_in * (len + k - 1)), real(c_out * c_in * k), real(c_out * len));
        let inputs = Inputs::from([(Input, x.clone()), (Weight, w.clone())]);
        let (mut dx, mut dw) = (vec![0.0_f32; x.len()], vec![0.0_f32; w.len()]);
        let products = || (0..c_in).flat_map(|ci| (0..k).map(move |k| (ci, k)));
        for (co, o) in (0..c_out).flat_map(|co| (0..len).map(move |o| (co, o))) {
            let at = |ci: usize, tap: usize| (ci * (len + k - 1) + o + tap, (co * c_in + ci) * k + tap);
            let pre: f32 = products().map(|(ci, tap)| at(ci, tap)).map(|(i, j)| x[i] * w[j]).sum();
            let slope = match activation {
                Activation::Silu => {
                    let sigmoid = 1.0 / (1.0 + (-pre).exp());
                    sigmoid * (1.0 + pre * (1.0 - sigmoid))
                }
                Activation::LeakyRelu { slope } if pre <= 0.0 => slope,
                _ => 1.0,
            };
            let g = g[co * len + o] * slope;
            for (i, j) in products().map(|(ci, tap)| at(ci, tap)) {
                dx[i] += g * w[j];
                dw[j] += g * x[i];
            }
        }
        for (name, narrow) in [(Input, dx), (Weight, dw)] {
            let wide = gradient(&problem, &inputs, &g, name);
            for (i, &narrow) in narrow.iter().enumerate() {
                let miss = (f64::from(narrow) - wide.output[i]).abs();
                assert!(miss <= wide.tolerance(i), "{name}[{i}] of {activation:?} misses by {miss}");
                assert!(wide.tolerance(i) <= 1e-3 * (1.0 + wide.magnitude[i]), "{name}[{i}] of {activation:?}");
            }
        }
    }
}

/// Sampling points that f32 arithmetic rounds, some of them across a pixel or the frame.
#[test]
fn tolerances_hold_for_rounded_sampling_points() {
    const WIDTH: usize = 70;
    let mut numbers = Numbers(11);
    // One row, one tap: output o samples at o - 2 plus its offset.
    let problem = DeformConv2d::new(1, 1, [1, WIDTH], 1, [1, 1]).padding([[0, 0], [2, 3]]).into();
    let out = output_len(&problem);
    let (x, g) = (numbers.sixteenths(WIDTH), numbers.sixteenths(out));
    let tiny = [1e-7, -1e-7, 3e-8, -3e-8, 0.0];
    let shift =
        |o: usize, next: u64| ((next % 5) as f32 - 2.0) * f32::from(u8::from(!o.is_multiple_of(4))) + tiny[o % 5];
    let moves: Vec<f32> = (0..out).map(|o| shift(o, numbers.next())).collect();
    let inputs =
        Inputs::from([(Input, x.clone()), (Weight, vec![1.0]), (Offset, [vec![0.0; out], moves.clone()].concat())]);
    let (mut dx, mut doffset, mut crossed) = (vec![0.0_f32; WIDTH], vec![0.0_f32; 2 * out], 0);
    for o in 0..out {
        let base = o as i64 - 2;
        let at = base as f32 + moves[o];
        let (left, share) = (at.floor() as i64, at - at.floor());
        crossed += usize::from(left != (base as f64 + f64::from(moves[o])).floor() as i64);
        for (ix, share, sign) in [(left, 1.0 - share, -1.0), (left + 1, share, 1.0)] {
            let Some(ix) = usize::try_from(ix).ok().filter(|&ix| ix < WIDTH) else { continue };
            dx[ix] += g[o] * share;
            // The row below is zero.
            doffset[o] -= g[o] * share * x[ix];
            doffset[out + o] += g[o] * sign * x[ix];
        }
    }
    assert!(crossed > 5, "{crossed} points change cells");
    for (name, narrow) in [(Input, dx), (Offset, doffset)] {
        let wide = gradient(&problem, &inputs, &g, name);
        for (i, &narrow) in narrow.iter().enumerate() {
            let miss = (f64::from(narrow) - wide.output[i]).abs();
            assert!(miss <= wide.tolerance(i), "{name}[{i}] misses by {miss}, allowed {}", wide.tolerance(i));
        }
    }
}
