//! Register tiles of the kernels whose lanes share loads by subgroup broadcast, and what they cost: the class for CPU adapters.

use crate::capabilities::KernelClass;
use crate::kernels::task::{broadcast_tile, workgroup_along};

/// Cycles of one vector of lane loads or stores on one core of a software rasteriser: docs/performance.md derives the numbers
/// and compares them with measurements.
pub(crate) const LOAD: f64 = 45.0;
/// Of four such vectors that lanes load as vec4s.
pub(crate) const VEC4: f64 = 110.0;
/// Of one vector of multiply-adds.
const FMA: f64 = 0.75;
/// Of one vector of outputs through the epilogue.
pub(crate) const WRITE: f64 = 80.0;
/// Of finding where a tap reads, for four positions.
const PLACE: f64 = 300.0;
/// Lanes of a vector.
pub(crate) const LANES: f64 = 8.0;
/// Products that the lanes of a subgroup hold for each other.
pub(crate) const STEP: usize = 8;

/// Columns of a tile that is not wide, and of one that is.
const NARROW: usize = 4;
pub(crate) const WIDE: usize = 8;
/// Multiply-adds from which on a wide tile is worth what it takes to compile, two seconds more.
const WORTH: usize = 1 << 24;
/// Workgroups from which on the lanes of one subgroup each keep the cores busy.
const ENOUGH: usize = 8;

/// What one invocation computes, and how many of them share a workgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneTile {
    pub rows: u32,
    pub wide: bool,
    pub workgroup: u32,
}

impl LaneTile {
    pub fn columns(self) -> usize {
        if self.wide { WIDE } else { NARROW }
    }
}

/// `count` products of `rows` x `columns` sums.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneProduct {
    pub count: usize,
    pub rows: usize,
    pub columns: usize,
    /// Invocations that cover the columns by four and by eight.
    pub runs: [usize; 2],
    /// Steps of up to eight products of one sum.
    pub steps: usize,
    /// How often a sum finds where it reads.
    pub places: usize,
    /// Taps of a row that share what they load of it; 1 where each loads its own.
    pub shared: usize,
    /// Columns of the input from one position to the next of those that share.
    pub stride: usize,
    /// Whether factors of four rows are loaded as one vec4, and those of four columns.
    pub rows_vec4_aligned: bool,
    pub columns_vec4_aligned: bool,
}

impl LaneProduct {
    /// Of matrices.
    pub fn matrix(count: usize, rows: usize, columns: usize, length: usize) -> LaneProduct {
        let runs = [NARROW, WIDE].map(|width| columns.div_ceil(width));
        LaneProduct {
            count,
            rows,
            columns,
            runs,
            steps: length.div_ceil(STEP),
            places: 0,
            shared: 1,
            stride: 1,
            rows_vec4_aligned: false,
            columns_vec4_aligned: false,
        }
    }

    fn row_tiles(&self, tile: LaneTile) -> usize {
        self.count * self.rows.div_ceil(tile.rows as usize)
    }

    fn runs(&self, tile: LaneTile) -> usize {
        self.runs[usize::from(tile.wide)]
    }

    pub fn workgroups(&self, tile: LaneTile) -> u64 {
        self.row_tiles(tile) as u64 * self.runs(tile).div_ceil(tile.workgroup as usize) as u64
    }

    /// Cycles of one core, were there but one.
    pub fn cycles(&self, tile: LaneTile) -> f64 {
        let (rows, columns) = (f64::from(tile.rows), tile.columns() as f64);
        let (taps, products) = (self.shared as f64, STEP as f64);
        let load = |count: f64, vec4s: bool| if vec4s { count / 4.0 * VEC4 } else { count * LOAD };
        let stride = self.stride as f64;
        let row = load(columns * stride, self.columns_vec4_aligned) + (taps - stride).max(0.0) * LOAD;
        let of_columns = products * row / taps;
        let step = of_columns + load(rows, self.rows_vec4_aligned) + products * columns * rows * FMA;
        let places = self.places as f64 * PLACE * columns / NARROW as f64;
        let one = self.steps as f64 * step + places + columns * rows * WRITE;
        let vectors = self.runs(tile).next_multiple_of(tile.workgroup as usize) as f64 / LANES;
        self.row_tiles(tile) as f64 * vectors * one
    }

    pub fn narrow(&self) -> LaneTile {
        let tile = LaneTile { rows: broadcast_tile(self.rows), wide: false, workgroup: 1 };
        LaneTile { workgroup: workgroup_along(self.runs(tile), 1, KernelClass::Cpu), ..tile }
    }

    /// Eight columns, where the work is worth it.
    pub fn wide(&self) -> Option<LaneTile> {
        let tile = LaneTile { rows: broadcast_tile(self.rows), wide: true, workgroup: LANES as u32 };
        let work = self.count * self.rows * self.columns * self.steps * STEP;
        (work >= WORTH && self.workgroups(tile) >= ENOUGH as u64).then_some(tile)
    }

    /// The tile of the least cost.
    pub fn tile(&self) -> LaneTile {
        let narrow = self.narrow();
        self.wide().filter(|&wide| self.cycles(wide) < self.cycles(narrow)).unwrap_or(narrow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_tiles_are_for_work_that_is_worth_them() {
        let tile = |rows, columns, length| LaneProduct::matrix(1, rows, columns, length).tile();
        assert!(tile(256, 196, 1024).wide);
        assert!(!tile(16, 100, 64).wide, "little work");
        // Eight lanes of eight columns would idle in half of their second run.
        assert!(!tile(1024, 68, 512).wide, "waste");
        assert_eq!(tile(1024, 68, 512).columns(), 4);
    }

    #[test]
    fn shared_rows_cost_less() {
        let own = LaneProduct { places: 9, ..LaneProduct::matrix(1, 64, 3136, 576) };
        let shared = LaneProduct { runs: [56 * 14, 56 * 7], shared: 3, ..own };
        let wide = shared.wide().expect("enough work");
        assert!(shared.cycles(wide) < own.cycles(own.narrow()));
        assert_eq!(shared.workgroups(wide), 2 * 49);
    }
}
