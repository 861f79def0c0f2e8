//! Cycles of one core of a software rasteriser whose lanes share weight loads by subgroup broadcast: docs/performance.md derives the
//! numbers and compares them with measurements.

use super::winograd_tile;
use crate::algorithm::Algorithm;
use crate::geometry::Window;
use crate::kernels::lane_tile::{LANES, LOAD, LaneProduct, STEP, WRITE};
use crate::kernels::{conv_subgroup, conv_subgroup_wide, pack_rows, winograd};
use crate::options::Options;

/// Of one element of a column: its place by divisions, a load and a store.
const COLUMN: f64 = 500.0;

/// Of `count` matrix products. Rows are weights, which come as vec4s where they are packed; columns do where there are whole vec4s.
fn product(count: usize, rows: usize, columns: usize, length: usize, rows_vec4_aligned: bool) -> f64 {
    let columns_vec4_aligned = columns.is_multiple_of(4);
    let product =
        LaneProduct { rows_vec4_aligned, columns_vec4_aligned, ..LaneProduct::matrix(count, rows, columns, length) };
    product.cycles(product.tile())
}

/// Of the weights and columns of so many elements.
fn of_weights(w: &Window, length: usize, options: &Options) -> f64 {
    let of = |packed| product(w.batch * w.groups, w.c_out_per_group(), w.output_len(), length, packed);
    let packing = if options.pack_weights { 0.0 } else { pack_rows::cycles(w.c_out * length) };
    of(false).min(of(true) + packing)
}

pub fn conv(w: &Window, algorithm: Algorithm, options: &Options) -> Option<f64> {
    let (c_in, c_out, taps) = (w.c_in_per_group(), w.c_out_per_group(), w.kernel_len());
    let batch = w.batch as f64;
    if let Some(tile) = winograd_tile(algorithm) {
        let (points, outputs, n_tiles) =
            (f64::from((tile + 2).pow(2)), f64::from(tile.pow(2)), winograd::tiles(w, tile));
        let per_channel = |count: usize, of_one: f64| count as f64 / LANES * of_one;
        let filters = if options.pack_weights { 0.0 } else { per_channel(w.c_out * c_in, (9.0 + points) * LOAD) };
        let patches = per_channel(w.c_in * n_tiles, 2.0 * points * LOAD);
        let outputs = per_channel(w.c_out * n_tiles, points * LOAD + outputs * WRITE);
        let products = product(points as usize * w.groups, c_out, n_tiles, c_in, true);
        return Some(filters + patches + products + outputs);
    }
    match algorithm {
        Algorithm::RegisterTiled => {
            let own = conv_subgroup::product(w);
            // Few channels fill the lanes with taps.
            let steps = if c_in < STEP { (c_in * taps).div_ceil(STEP) } else { own.steps };
            let own = LaneProduct { steps, ..own };
            let narrow = || batch * own.cycles(own.narrow());
            Some(conv_subgroup_wide::cycles(w, options.pack_weights).unwrap_or_else(narrow))
        }
        Algorithm::PointwiseGemm => Some(of_weights(w, c_in, options)),
        Algorithm::Im2colGemm => {
            let columns = (w.batch * w.c_in * taps * w.output_len()) as f64 / LANES * COLUMN;
            Some(columns + of_weights(w, c_in * taps, options))
        }
        _ => None,
    }
}
