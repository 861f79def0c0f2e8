//! Shapes of the tiles of `shaders/lib/implicit_tile.wgsl`, and which one a matrix product gets.

use super::catalog::Constant;

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

/// Multiprocessors of a big GPU, which has to be filled; no API tells how many there are. A smaller one is filled by whatever
/// fills this one.
const MULTIPROCESSORS: f64 = 132.0;
/// Invocations of such a kernel that a multiprocessor holds: 128 registers each of 64 K.
const RESIDENT: f64 = 512.0;
/// Invocations that reach half of its speed.
const HALF_SPEED: f64 = 96.0;
/// Multiply-adds in the time that staging takes an invocation for one element of a row or column: fitted on an H200,
/// docs/performance.md.
const STAGING: f64 = 45.0;
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

    /// The prelude's ROW_THREADS and COLUMN_THREADS, and what a kernel wants behind them.
    pub fn constants<const N: usize>(self, more: [Constant; N]) -> Vec<Constant> {
        let own = [self.row_threads, self.column_threads];
        own.into_iter().map(Constant::from).chain(more).collect()
    }

    /// Workgroups that cover `count` products of so many rows and columns.
    pub fn tiles(self, count: usize, rows: usize, columns: usize) -> u64 {
        count as u64 * rows.div_ceil(self.rows()) as u64 * columns.div_ceil(self.columns()) as u64
    }

    /// Time of `count` products of so many rows, columns and products a sum, in multiply-adds of the whole device at its full
    /// speed.
    pub fn time(self, count: usize, rows: usize, columns: usize, length: usize) -> f64 {
        let invocations = f64::from(self.invocations());
        let tiles = self.tiles(count, rows, columns) as f64;
        let each = (tiles / MULTIPROCESSORS).ceil();
        let speed = |invocations: f64| invocations / (invocations + HALF_SPEED);
        let at_once = each.min((RESIDENT / invocations).floor()) * invocations;
        let staged = (self.rows() + self.columns()) as f64 / invocations;
        let work = invocations * length as f64 * (64.0 + STAGING * staged);
        each * work / speed(at_once) * speed(RESIDENT) * MULTIPROCESSORS
    }
}

/// The shapes that a device can have; the smallest one always.
pub(crate) fn shapes(max_invocations: u32) -> impl Iterator<Item = TileShape> {
    let most = max_invocations.max(SHAPES[SHAPES.len() - 1].invocations());
    SHAPES.into_iter().filter(move |shape| shape.invocations() <= most)
}

/// The shape of the least time; of equals the one that loads less.
pub(crate) fn tile_shape(count: usize, rows: usize, columns: usize, max_invocations: u32) -> TileShape {
    let time = |shape: &TileShape| shape.time(count, rows, columns, 1);
    let smallest = SHAPES[SHAPES.len() - 1];
    shapes(max_invocations).min_by(|a, b| time(a).total_cmp(&time(b))).unwrap_or(smallest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_gets_tiles_that_fill_a_device_without_idling_in_their_last_wave() {
        let of = |rows: usize, columns: usize| {
            let shape = tile_shape(1, rows, columns, 256);
            [shape.row_threads, shape.column_threads]
        };
        assert_eq!(of(4096, 4096), [16, 16]);
        // Half of a tall tile would be idle.
        assert_eq!(of(64, 100_352)[0], 8);
        assert_eq!(of(100_352, 64)[1], 8);
        // A multiprocessor each, or less: as many as there can be.
        assert_eq!(of(128, 2048), [8, 8]);
        // What a device cannot do is not offered.
        assert_eq!(tile_shape(1, 4096, 4096, 128).invocations(), 128);
        assert_eq!(tile_shape(1, 4096, 4096, 64).invocations(), 64);
    }

    #[test]
    fn tiles_cover() {
        let shape = shape(16, 8);
        assert_eq!((shape.tiles(1, 128, 64), shape.tiles(3, 129, 65)), (1, 12));
        assert!(shape.time(1, 128, 64, 100) < shape.time(1, 128, 64 * 200, 100));
    }
}
