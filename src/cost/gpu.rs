//! Of a GPU, in floating-point operations of a tile that is in workgroup memory. Reasoned from data sheets.

use super::winograd_tile;
use crate::algorithm::Algorithm;
use crate::capabilities::Capabilities;
use crate::geometry::Window;
use crate::kernels::implicit_tile::{DISPATCH, tile_shape};
use crate::kernels::panel_tile::Products;
use crate::kernels::{conv_implicit_gemm, conv_packed_gemm, pack_rows, winograd};
use crate::options::Options;

/// Blocks of Winograd's tiles that fill a device.
const FULL: f64 = 128.0;

/// Of a multiply-add of `conv2d_winograd`, its transforms and what it waits for: measured on an H200 against tiles of the
/// implicit GEMM (docs/performance.md).
const TRANSFORMED: f64 = 5.2;

pub fn conv(w: &Window, algorithm: Algorithm, caps: &Capabilities, options: &Options) -> Option<f64> {
    let (c_in, c_out, taps) = (w.c_in_per_group(), w.c_out_per_group(), w.kernel_len());
    let columns = w.batch * w.output_len();
    // Operations in the time that one byte of memory takes.
    let byte = 2.0 * f64::from(caps.machine.fmas_per_byte);
    let packing = if options.pack_weights { 0.0 } else { 2.0 * pack_rows::time(w.c_out * c_in * taps) };
    // Of weights and a stored matrix, by the better of two kernels.
    let stored = |length: usize| {
        let product = matrix_products(w.groups, c_out, columns, length);
        let by_vec4s =
            product.split_k(caps, options.tile, false).map_or(f64::MAX, |split_k| 2.0 * split_k.time + packing);
        by_vec4s.min(2.0 * conv_implicit_gemm::split_k(w, caps).time)
    };
    match algorithm {
        Algorithm::WinogradF2Fused => {
            // By blocks of 32 x 32.
            let (points, n_tiles) = (16, winograd::tiles(w, 2));
            let blocks = (w.groups * c_out.div_ceil(32) * n_tiles.div_ceil(32)) as f64;
            let operations = TRANSFORMED * blocks * 2.0 * (points * 32 * 32 * c_in) as f64;
            Some(packing + operations * (FULL / blocks).max(1.0))
        }
        Algorithm::WinogradF2 | Algorithm::WinogradF4 => {
            let tile = winograd_tile(algorithm)?;
            let (points, n_tiles) = ((tile as usize + 2).pow(2), winograd::tiles(w, tile));
            let product = matrix_products(points * w.groups, c_out, n_tiles, c_in).split_k(caps, options.tile, true)?;
            // Read once and written once, the input and the output and what lies between.
            let moved = 2 * points * n_tiles * (w.c_in + w.c_out)
                + w.batch * (w.c_in * w.input_len() + w.c_out * w.output_len());
            Some(packing + 2.0 * 2.0 * DISPATCH + 4.0 * moved as f64 * byte + 2.0 * product.time)
        }
        Algorithm::ImplicitGemm => {
            let shape = tile_shape(w.groups, c_out, columns, caps);
            Some(2.0 * shape.time(w.groups, c_out, columns, c_in * taps, caps.machine))
        }
        Algorithm::SplitKGemm => Some(2.0 * conv_implicit_gemm::split_k(w, caps).time),
        Algorithm::PackedGemm => Some(packing + 2.0 * conv_packed_gemm::split_k(w, caps, options.tile)?.time),
        Algorithm::PointwiseGemm => Some(stored(c_in)),
        Algorithm::Im2colGemm => {
            let moved = 2 * w.groups * c_in * taps * columns;
            Some(4.0 * moved as f64 * byte + stored(c_in * taps))
        }
        _ => None,
    }
}

fn matrix_products(count: usize, rows: usize, columns: usize, length: usize) -> Products {
    Products { count, rows, columns, length, run: length, column_bytes: 0 }
}
