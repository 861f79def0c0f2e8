//! Which tile of `shaders/lib/panel_tile.wgsl` a matrix product gets, and how its sums are cut.

use crate::capabilities::Capabilities;
use crate::kernels::implicit_tile::{BYTE, DISPATCH, slices};
use crate::machine::Machine;
use crate::program::Named;
use crate::tile::Tile;

/// Products of so many rows, columns and panels, which a kernel of the part panel_tile computes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Products {
    /// How many, each of its own matrices.
    pub count: usize,
    pub rows: usize,
    pub columns: usize,
    /// Products of a sum. What fills up its last panel is in the cost.
    pub length: usize,
    /// Sums of fewer products than these are filled up to whole panels, taps by themselves.
    pub run: usize,
    /// Bytes of workgroup memory that a column takes beside its panel.
    pub column_bytes: u32,
}

/// A tile, and the panels and the number of the slices that the sums are cut into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SplitK {
    pub tile: Tile,
    pub panels: usize,
    pub count: usize,
    /// In multiply-adds of the whole device at its full speed.
    pub time: f64,
}

/// Share of the invocations with 8 x 8 sums that fit a multiprocessor which do so where they stage panels of 16 in small workgroups,
/// and hold six vec4s of the next one.
const DEEP: f64 = 0.75;
/// Invocations that reach half of its speed.
const HALF_SPEED: f64 = 96.0;
/// Multiply-adds in the time that staging takes an invocation for one element of a row or column, in panels of 8 and of 16, and for a
/// vec4 of the staged panels; products in the time that a tile takes to begin and to write: fitted on an H200,
/// docs/performance.md.
const STAGING: f64 = 8.0;
const STAGING_DEEP: f64 = 6.0;
const LOADED: f64 = 2.0;
const TILE: f64 = 20.0;
/// Partial results cost more than a byte read once and written once does.
const PARTIAL: f64 = 1.5;

impl Products {
    /// Panels of a sum.
    pub fn panels(&self, tile: Tile) -> usize {
        self.length / self.run.max(1) * self.run.div_ceil(tile.panel() as usize)
    }

    /// Workgroups that cover the products.
    pub fn tiles(&self, tile: Tile) -> u64 {
        let [rows, columns] = tile.block().map(|extent| extent as usize);
        self.count as u64 * self.rows.div_ceil(rows) as u64 * self.columns.div_ceil(columns) as u64
    }

    fn fits(&self, tile: Tile, caps: &Capabilities) -> bool {
        let bytes = tile.panel_bytes() + tile.block()[1] * self.column_bytes;
        tile.invocations() <= caps.max_invocations_per_workgroup && bytes <= caps.max_workgroup_bytes
    }

    fn time(&self, tile: Tile, slices: usize, panels: usize, machine: Machine) -> f64 {
        let multiprocessors = f64::from(machine.multiprocessors.max(1));
        let most = f64::from(machine.resident);
        let [rows, columns] = tile.block().map(f64::from);
        let invocations = f64::from(tile.invocations());
        let [sum_rows, sum_columns] = tile.sums().map(f64::from);
        let sums = sum_rows * sum_columns;
        let deep = tile.panel() > 8;
        let resident = if deep && tile.invocations() < 256 { DEEP * most } else { most } * 64.0 / sums;
        let each = (self.tiles(tile) as f64 * slices as f64 / multiprocessors).ceil();
        let speed = |invocations: f64| invocations / (invocations + HALF_SPEED);
        let at_once = each.min((resident / invocations).floor().max(1.0)) * invocations;
        let staged = if deep { STAGING_DEEP } else { STAGING } * (rows + columns) / invocations;
        // Sums of few registers load more of the staged panels for a multiply-add.
        let loaded = LOADED * (sum_rows + sum_columns) / 4.0;
        let length = (panels * tile.panel() as usize) as f64 + TILE;
        each * invocations * length * (sums + staged + loaded) / speed(at_once) * speed(most) * multiprocessors
    }

    /// Tile and slices of the least time; whole sums where `whole`. `None` where no tile fits the device.
    pub fn split_k(&self, caps: &Capabilities, forced: Option<Tile>, whole: bool) -> Option<SplitK> {
        let tiles: Vec<Tile> = match forced {
            Some(tile) => vec![tile],
            // Sums that do not fit registers are spilled.
            None => {
                Tile::ALL.into_iter().filter(|tile| tile.sums().iter().product::<u32>() <= caps.machine.sums).collect()
            }
        };
        let of = |tile: Tile, count: usize| {
            let in_all = self.panels(tile);
            let panels = in_all.div_ceil(count.max(1)).max(1);
            let count = in_all.div_ceil(panels).max(1);
            // Written once, read once.
            let partial = DISPATCH + (2 * 4 * count * self.count * self.rows * self.columns) as f64 * PARTIAL * BYTE;
            let time = self.time(tile, count, panels, caps.machine) + if count > 1 { partial } else { 0.0 };
            SplitK { tile, panels, count, time }
        };
        let counts = if whole { 1..=1 } else { slices(self.length) };
        let fitting = || tiles.iter().copied().filter(|&tile| self.fits(tile, caps));
        let best = |cuts: &mut dyn Iterator<Item = SplitK>| cuts.min_by(|a, b| a.time.total_cmp(&b.time));
        let one = best(&mut fitting().map(|tile| of(tile, *counts.start())))?;
        let split_k = best(&mut fitting().flat_map(|tile| counts.clone().map(move |count| of(tile, count))))?;
        // Whole sums need no workspace: slices should be clearly faster.
        const CLEARLY: f64 = 0.9;
        let enough = if one.count == 1 { CLEARLY * one.time } else { one.time };
        Some(if split_k.time < enough { split_k } else { one })
    }
}

/// The constants of a tile, and those that a kernel has beside them.
pub(crate) fn constants(tile: Tile, more: impl IntoIterator<Item = Named>) -> impl Iterator<Item = Named> {
    let ([row_threads, column_threads], [rows, columns]) = (tile.threads(), tile.sums());
    let own = [
        ("ROW_THREADS", row_threads.into()),
        ("COLUMN_THREADS", column_threads.into()),
        ("ROW_VEC4S", (rows / 4).into()),
        ("COLUMN_VEC4S", (columns / 4).into()),
        ("BLOCK_K", tile.panel().into()),
    ];
    own.into_iter().chain(more)
}
