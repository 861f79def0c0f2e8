//! Shapes of the tiles of `shaders/lib/tile_shape.wgsl`, and which one a matrix product gets.

use std::ops::RangeInclusive;

use crate::capabilities::Capabilities;
use crate::machine::Machine;
use crate::program::Named;

/// A workgroup of `row_threads` x `column_threads` invocations, each with 8 x 8 elements of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TileShape {
    pub row_threads: u32,
    pub column_threads: u32,
}

/// Products that are staged at once, BLOCK_K.
pub(crate) const DEPTH: u32 = 8;

const fn shape(row_threads: u32, column_threads: u32) -> TileShape {
    TileShape { row_threads, column_threads }
}

/// From the one that loads least for a multiply-add to the one of which there are most.
const SHAPES: [TileShape; 4] = [shape(16, 16), shape(8, 16), shape(16, 8), shape(8, 8)];

/// Invocations that reach half of its speed.
const HALF_SPEED: f64 = 96.0;
/// Multiply-adds in the time that staging takes an invocation for one element of a row or column: fitted on an H200,
/// docs/performance.md.
const STAGING: f64 = 45.0;
/// The shortest and the longest slice of a sum, and most slices: a partial result should be worth its memory, and some drivers
/// end long loops.
const SHORTEST_SLICE: usize = 128;
const LONGEST_SLICE: usize = 1 << 14;
const MOST_SLICES: usize = 16;

/// Fewest and most slices that sums of so many products are worth being cut into.
pub(crate) fn slices(length: usize) -> RangeInclusive<usize> {
    let least = length.div_ceil(LONGEST_SLICE);
    least..=(length / SHORTEST_SLICE).clamp(least, MOST_SLICES.max(least))
}

/// How much longer sums take that do not fit registers.
const SPILLED: f64 = 2.0;
/// Multiply-adds of the whole device in the time that a byte of a partial result takes, there and back.
pub(crate) const BYTE: f64 = 16.0;
/// Likewise in the time that a further dispatch takes.
pub(crate) const DISPATCH: f64 = 0.15e9;

impl TileShape {
    pub fn invocations(self) -> u32 {
        self.row_threads * self.column_threads
    }

    fn rows(self) -> usize {
        8 * self.row_threads as usize
    }

    fn columns(self) -> usize {
        8 * self.column_threads as usize
    }

    /// The constants of the tile, and those that a kernel has beside them.
    pub fn constants<const N: usize>(self, more: [Named; N]) -> impl Iterator<Item = Named> {
        let own = [("ROW_THREADS", self.row_threads.into()), ("COLUMN_THREADS", self.column_threads.into())];
        own.into_iter().chain(more)
    }

    /// Workgroups that cover `count` products of so many rows and columns.
    pub fn tiles(self, count: usize, rows: usize, columns: usize) -> u64 {
        count as u64 * rows.div_ceil(self.rows()) as u64 * columns.div_ceil(self.columns()) as u64
    }

    /// Time of `count` products of so many rows, columns and products a sum, in multiply-adds of the whole device at its full
    /// speed.
    pub fn time(self, count: usize, rows: usize, columns: usize, length: usize, machine: Machine) -> f64 {
        let multiprocessors = f64::from(machine.multiprocessors.max(1));
        let resident = f64::from(machine.resident);
        let invocations = f64::from(self.invocations());
        let tiles = self.tiles(count, rows, columns) as f64;
        let each = (tiles / multiprocessors).ceil();
        let speed = |invocations: f64| invocations / (invocations + HALF_SPEED);
        let at_once = each.min((resident / invocations).floor().max(1.0)) * invocations;
        let staged = (self.rows() + self.columns()) as f64 / invocations;
        // What compilers for Intel make of 8 x 8 sums, against 8 x 4 (docs/gpu-compilers.md).
        let spilled = if machine.sums < 64 { SPILLED } else { 1.0 };
        let work = invocations * length as f64 * (64.0 + STAGING * staged);
        each * work / speed(at_once) * speed(resident) * multiprocessors * spilled
    }
}

/// The shapes that a device can have; the smallest one always.
pub(crate) fn shapes(caps: &Capabilities) -> impl Iterator<Item = TileShape> {
    let most = caps.max_invocations_per_workgroup.max(SHAPES[SHAPES.len() - 1].invocations());
    SHAPES.into_iter().filter(move |shape| shape.invocations() <= most)
}

/// The shape of the least time; of equals the one that loads less.
pub(crate) fn tile_shape(count: usize, rows: usize, columns: usize, caps: &Capabilities) -> TileShape {
    let time = |shape: &TileShape| shape.time(count, rows, columns, 1, caps.machine);
    let smallest = SHAPES[SHAPES.len() - 1];
    shapes(caps).min_by(|a, b| time(a).total_cmp(&time(b))).unwrap_or(smallest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_gets_tiles_that_fill_a_device_without_idling_in_their_last_wave() {
        let of = |rows: usize, columns: usize| {
            let shape = tile_shape(1, rows, columns, &Capabilities::gpu());
            [shape.row_threads, shape.column_threads]
        };
        assert_eq!(of(4096, 4096), [16, 16]);
        // Half of a tall tile would be idle.
        assert_eq!(of(64, 100_352)[0], 8);
        assert_eq!(of(100_352, 64)[1], 8);
        // A multiprocessor each, or less: as many as there can be.
        assert_eq!(of(128, 2048), [8, 8]);
        // What a device cannot do is not offered.
        for most in [128, 64] {
            let caps = Capabilities { max_invocations_per_workgroup: most, ..Capabilities::gpu() };
            assert_eq!(tile_shape(1, 4096, 4096, &caps).invocations(), most);
        }
    }

    #[test]
    fn tiles_cover() {
        let shape = shape(16, 8);
        assert_eq!((shape.tiles(1, 128, 64), shape.tiles(3, 129, 65)), (1, 12));
        let machine = Capabilities::gpu().machine;
        assert!(shape.time(1, 128, 64, 100, machine) < shape.time(1, 128, 64 * 200, 100, machine));
    }
}
