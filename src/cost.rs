//! What an algorithm of a convolution costs, by a model of each class of device: arithmetic, loads or bytes, and what tiles
//! waste at their edges. Only ratios between algorithms of one problem mean anything.

use crate::capabilities::{Capabilities, KernelClass};
use crate::choose::{Algorithm, Options};
use crate::geometry::Window;
use crate::gpu::lanes::{LANES, LOAD, LaneProduct, STEP, WRITE};
use crate::gpu::panels::Products;
use crate::gpu::tiles::{DISPATCH, tile_shape};
use crate::gpu::{
    implicit_gemm_cut, lane_product, pack_rows, packed_cooperative, packed_gemm_cut, packing_time, wide_cycles,
    winograd_tiles,
};

/// The cost of a forward convolution; `None` for algorithms that the model does not know, and where it was not fitted.
pub(crate) fn conv(w: &Window, algorithm: Algorithm, caps: &Capabilities, options: &Options) -> Option<f64> {
    match caps.class {
        KernelClass::Cpu => rasteriser::conv(w, algorithm, options),
        KernelClass::Gpu => gpu::conv(w, algorithm, caps, options),
    }
}

/// Outputs of a Winograd tile along an axis.
fn winograd_tile(algorithm: Algorithm) -> Option<u32> {
    match algorithm {
        Algorithm::WinogradF2 => Some(2),
        Algorithm::WinogradF4 => Some(4),
        _ => None,
    }
}

/// Cycles of one core of a software rasteriser whose lanes load weights for each other: docs/performance.md derives the
/// numbers and compares them with measurements.
mod rasteriser {
    use super::*;

    /// Of one element of a column: its place by divisions, a load and a store.
    const COLUMN: f64 = 500.0;

    /// Of `count` matrix products. Rows are weights, which come as vec4s where they are packed; columns do where there are whole quads.
    fn product(count: usize, rows: usize, columns: usize, length: usize, row_quads: bool) -> f64 {
        let column_quads = columns.is_multiple_of(4);
        let product = LaneProduct { row_quads, column_quads, ..LaneProduct::matrix(count, rows, columns, length) };
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
                (f64::from((tile + 2).pow(2)), f64::from(tile.pow(2)), winograd_tiles(w, tile));
            let per_channel = |count: usize, of_one: f64| count as f64 / LANES * of_one;
            let filters = if options.pack_weights { 0.0 } else { per_channel(w.c_out * c_in, (9.0 + points) * LOAD) };
            let patches = per_channel(w.c_in * n_tiles, 2.0 * points * LOAD);
            let outputs = per_channel(w.c_out * n_tiles, points * LOAD + outputs * WRITE);
            let products = product(points as usize * w.groups, c_out, n_tiles, c_in, true);
            return Some(filters + patches + products + outputs);
        }
        match algorithm {
            Algorithm::RegisterTiled => {
                let own = lane_product(w);
                // Few channels fill the lanes with taps.
                let steps = if c_in < STEP { (c_in * taps).div_ceil(STEP) } else { own.steps };
                let own = LaneProduct { steps, ..own };
                let narrow = || batch * own.cycles(own.narrow());
                Some(wide_cycles(w, options.pack_weights).unwrap_or_else(narrow))
            }
            Algorithm::PointwiseGemm => Some(of_weights(w, c_in, options)),
            Algorithm::Im2colGemm => {
                let columns = (w.batch * w.c_in * taps * w.output_len()) as f64 / LANES * COLUMN;
                Some(columns + of_weights(w, c_in * taps, options))
            }
            _ => None,
        }
    }
}

/// Of a GPU, in floating-point operations of a tile that is in workgroup memory. Reasoned from data sheets.
mod gpu {
    use super::*;

    /// Operations in the time that one byte of memory takes: of an accelerator, which has the most memory for its
    /// arithmetic. Where memory is slower, what saves bytes gains more than this says.
    const BYTE: f64 = 14.0;
    /// Blocks of Winograd's tiles that fill a device.
    const FULL: f64 = 128.0;

    /// Of a multiply-add of `conv2d_winograd`, its transforms and what it waits for: measured on an H200 against tiles of the
    /// implicit GEMM (docs/performance.md).
    const TRANSFORMED: f64 = 5.2;

    /// Of a multiply-add of cooperative matrices over packed factors: reasoned, not yet measured.
    const COOPERATIVE: f64 = 0.25;

    pub fn conv(w: &Window, algorithm: Algorithm, caps: &Capabilities, options: &Options) -> Option<f64> {
        let (c_in, c_out, taps) = (w.c_in_per_group(), w.c_out_per_group(), w.kernel_len());
        let columns = w.batch * w.output_len();
        let most = caps.max_invocations_per_workgroup;
        let packing = if options.pack_weights { 0.0 } else { 2.0 * packing_time(w.c_out * c_in * taps) };
        // Of weights and a stored matrix, by the better of two kernels.
        let stored = |length: usize| {
            let product = matrix_products(w.groups, c_out, columns, length);
            let by_vec4s = product.cut(caps, options.tile, false).map_or(f64::MAX, |cut| 2.0 * cut.time + packing);
            by_vec4s.min(2.0 * implicit_gemm_cut(w, most).time)
        };
        match algorithm {
            Algorithm::WinogradF2Fused => {
                // By blocks of 32 x 32.
                let (points, n_tiles) = (16, winograd_tiles(w, 2));
                let blocks = (w.groups * c_out.div_ceil(32) * n_tiles.div_ceil(32)) as f64;
                let operations = TRANSFORMED * blocks * 2.0 * (points * 32 * 32 * c_in) as f64;
                Some(packing + operations * (FULL / blocks).max(1.0))
            }
            Algorithm::WinogradF2 | Algorithm::WinogradF4 => {
                let tile = winograd_tile(algorithm)?;
                let (points, n_tiles) = ((tile as usize + 2).pow(2), winograd_tiles(w, tile));
                let product = matrix_products(points * w.groups, c_out, n_tiles, c_in).cut(caps, options.tile, true)?;
                // Read once and written once, the input and the output and what lies between.
                let moved = 2 * points * n_tiles * (w.c_in + w.c_out)
                    + w.batch * (w.c_in * w.input_len() + w.c_out * w.output_len());
                Some(packing + 2.0 * 2.0 * DISPATCH + 4.0 * moved as f64 * BYTE + 2.0 * product.time)
            }
            Algorithm::ImplicitGemm => {
                Some(2.0 * tile_shape(w.groups, c_out, columns, most).time(w.groups, c_out, columns, c_in * taps))
            }
            Algorithm::SplitKGemm => Some(2.0 * implicit_gemm_cut(w, most).time),
            Algorithm::PackedGemm => Some(packing + 2.0 * packed_gemm_cut(w, caps, options.tile)?.time),
            Algorithm::CooperativeGemmF16 => {
                let (products, halves) = packed_cooperative(w, caps)?;
                // The input is read twice, to find its peaks; halves are written and read.
                let moved = 8 * w.batch * w.c_in * w.input_len() + 4 * halves;
                let packing = 2.0 * 2.0 * DISPATCH + moved as f64 * BYTE + packing;
                Some(packing + 2.0 * products * COOPERATIVE)
            }
            Algorithm::PointwiseGemm => Some(stored(c_in)),
            Algorithm::Im2colGemm => {
                let moved = 2 * w.groups * c_in * taps * columns;
                Some(4.0 * moved as f64 * BYTE + stored(c_in * taps))
            }
            _ => None,
        }
    }

    fn matrix_products(count: usize, rows: usize, columns: usize, length: usize) -> Products {
        Products { count, rows, columns, length, run: length, column_bytes: 0 }
    }
}
