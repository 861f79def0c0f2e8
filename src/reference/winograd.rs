//! What Winograd's algorithm may err by: its own sums of magnitudes.

use super::sum::{Sum, gamma};
use super::window::{axes, flatten, kernel_tap, unflatten};
use super::{Inputs, activations, parallel, tensor};
use crate::error::Result;
use crate::problem::Conv;
use crate::tensor::TensorName;

/// The transforms of F(m, 3) in one dimension, in absolute values, row by row.
struct Transforms {
    /// m + 2 rows of m + 2.
    input: &'static [f64],
    /// m + 2 rows of 3.
    weight: &'static [f64],
    /// m rows of m + 2.
    output: &'static [f64],
}

const F2: Transforms = Transforms {
    input: &[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0],
    weight: &[1.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 1.0],
    output: &[1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0],
};

#[rustfmt::skip]
const F4: Transforms = Transforms {
    input: &[
        1.0, 1.5, 2.0, 1.5, 1.0, 0.0,
        0.0, 1.0, 2.5, 0.5, 1.0, 0.0,
        0.0, 1.0, 0.5, 2.5, 1.0, 0.0,
        0.0, 0.5, 1.0, 0.5, 1.0, 0.0,
        0.0, 2.0, 1.0, 2.0, 1.0, 0.0,
        0.0, 1.0, 1.5, 2.0, 1.5, 1.0,
    ],
    weight: &[
        1.0, 0.0, 0.0,
        1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0,
        1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0,
        1.0 / 15.0, 2.0 / 15.0, 4.0 / 15.0,
        16.0 / 15.0, 8.0 / 15.0, 4.0 / 15.0,
        0.0, 0.0, 1.0,
    ],
    output: &[
        1.0, 1.0, 1.0, 1.0, 1.0, 0.0,
        0.0, 1.0, 1.0, 2.0, 0.5, 0.0,
        0.0, 1.0, 1.0, 4.0, 0.25, 0.0,
        0.0, 1.0, 1.0, 8.0, 0.125, 1.0,
    ],
};

/// Roundings that a product goes through beside its sum's: in each dimension at most five of the input's transform, four of
/// the filter's (a constant, a product, two sums) and five of the output's; the product itself; bias and residual, and one
/// to spare.
const ROUNDINGS: usize = 2 * (5 + 4 + 5) + 1 + 3;

/// `M x T`, for a matrix of `rows` and a square tile, from both sides: M t Mᵀ.
fn transform(matrix: &[f64], rows: usize, tile: &[f64], side: usize) -> Vec<f64> {
    let mut half = vec![0.0; rows * side];
    for i in 0..rows {
        for j in 0..side {
            half[i * side + j] = (0..side).map(|k| matrix[i * side + k] * tile[k * side + j]).sum();
        }
    }
    let mut whole = vec![0.0; rows * rows];
    for i in 0..rows {
        for j in 0..rows {
            whole[i * rows + j] = (0..side).map(|k| half[i * side + k] * matrix[j * side + k]).sum();
        }
    }
    whole
}

/// Adds to every sum of a 3x3 convolution what computing it by tiles of m x m outputs may err by on top of it: with the
/// transforms B, G and A, γ(C + [`ROUNDINGS`]) times |A|ᵀ (Σ |G||g||G|ᵀ ⊙ |B|ᵀ|d||B|) |A| (Higham, section 3.1, term by term).
pub(super) fn widen(p: &Conv, m: usize, inputs: &Inputs, sums: &mut [Sum]) -> Result<()> {
    let transforms = if m == 2 { F2 } else { F4 };
    let side = m + 2;
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let (c_in_group, c_out_group) = (p.c_in / p.groups, p.c_out / p.groups);
    let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.c_in, &p.input))?;
    let w = tensor(inputs, TensorName::Weight, &activations(p.c_out, c_in_group, &p.kernel))?;
    let [in_len, out_len] = [p.input.to_3d(1), out].map(|extents| extents.iter().product::<usize>());
    let tiles = [out[0], out[1].div_ceil(m), out[2].div_ceil(m)];
    let n_tiles = tiles.iter().product::<usize>();

    let filter = |i: usize| {
        let tap = |j: usize| w[i * 9 + kernel_tap([0, j / 3, j % 3], [1, 3, 3], p.flip_kernel)];
        let magnitudes: Vec<f64> = (0..9).map(|j| f64::from(tap(j)).abs()).collect();
        transform(transforms.weight, side, &magnitudes, 3)
    };
    let filters = parallel::map(p.c_out * c_in_group, filter)?;
    // Of a plane, where nothing is read behind the declared padding.
    let patch = |i: usize| {
        let (plane, tile) = (i / n_tiles, unflatten(i % n_tiles, tiles));
        let element = |j: usize| {
            let o = [tile[0], tile[1] * m, tile[2] * m];
            let tap = [0, j / side, j % side];
            let mut flat = 0;
            for ((axis, o), tap) in window.iter().zip(o).zip(tap) {
                let position = o as i64 + tap as i64 - axis.begin as i64;
                if !axis.declares(position) {
                    return 0.0;
                }
                let Some(at) = axis.element(position, p.padding_mode) else { return 0.0 };
                flat = flat * axis.input + at;
            }
            f64::from(x[plane * in_len + flat]).abs()
        };
        let magnitudes: Vec<f64> = (0..side * side).map(element).collect();
        transform(transforms.input, side, &magnitudes, side)
    };
    let patches = parallel::map(p.batch * p.c_in * n_tiles, patch)?;

    let product = |i: usize| {
        let (n, co, tile) = (i / n_tiles / p.c_out, i / n_tiles % p.c_out, i % n_tiles);
        let first_channel = co / c_out_group * c_in_group;
        let mut products = vec![0.0; side * side];
        for ci in 0..c_in_group {
            let filter = &filters[co * c_in_group + ci];
            let patch = &patches[(n * p.c_in + first_channel + ci) * n_tiles + tile];
            products.iter_mut().zip(filter).zip(patch).for_each(|((sum, u), v)| *sum += u * v);
        }
        transform(transforms.output, m, &products, side)
    };
    let magnitudes = parallel::map(p.batch * p.c_out * n_tiles, product)?;
    let factor = gamma(c_in_group + ROUNDINGS);
    for (i, sum) in sums.iter_mut().enumerate() {
        let (plane, o) = (i / out_len, unflatten(i % out_len, out));
        let tile = flatten([o[0], o[1] / m, o[2] / m], tiles);
        sum.slack += factor * magnitudes[plane * n_tiles + tile][o[1] % m * m + o[2] % m];
    }
    Ok(())
}
