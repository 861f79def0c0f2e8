//! Lowering over packed weights: where lanes load weights for each other, four rows at a time.

use super::conv_subgroup_wide::{self, Part};
use super::lower::Lowering;
use super::pack_rows::{self, Packing};
use super::program::{ConvTask, GemmTask, Slot, WORKSPACE_ALIGNMENT};
use super::{gemm_subgroup, pack_phases};

impl Lowering<'_> {
    /// A convolution by tiles eight columns wide; with `turned` over the weight of a transposed one. Says whether they cost less than
    /// others: where they do not, nothing is lowered.
    pub(super) fn conv_over_packed(&mut self, task: &ConvTask, turned: bool) -> Result<bool, String> {
        let whole = conv_subgroup_wide::whole(&task.window, self.options.pack_weights);
        let Some((part, tile)) = whole else { return Ok(false) };
        let packing = conv_subgroup_wide::packing(task, turned, tile, self.caps);
        if !self.has_room_for([packing.shape()]) {
            return Ok(false);
        }
        let weight = Slot { operand: task.weight, ..Slot::UNUSED };
        let packed = self.pack(&packing, weight)?;
        let task = ConvTask { weight: packed.operand, ..task.clone() };
        self.push(conv_subgroup_wide::dispatch(&task, &part, tile, self.caps));
        Ok(true)
    }

    /// The phases of a transposed convolution by such tiles, those of each column by a dispatch of their own.
    /// Likewise says whether they cost less.
    pub(super) fn phases_over_packed(&mut self, task: &ConvTask) -> Result<bool, String> {
        let phases = conv_subgroup_wide::phases(&task.window, self.options.pack_weights);
        let Some((parts, tile)) = phases else { return Ok(false) };
        let packing = |part: &Part| conv_subgroup_wide::phase_packing(task, part, tile, self.caps);
        let packings: Vec<_> = parts.iter().map(packing).collect();
        if !self.has_room_for(packings.iter().map(|packing| packing.shape)) {
            return Ok(false);
        }
        for (part, packing) in parts.iter().zip(&packings) {
            let packed = self.reserve_packed(&packing.shape)?;
            self.push_packing(pack_phases::dispatch(packing, task, packed));
            let task = ConvTask { weight: packed.operand, ..task.clone() };
            self.push(conv_subgroup_wide::dispatch(&task, part, tile, self.caps));
        }
        Ok(true)
    }

    /// A product whose a is weights: packed where that costs less.
    pub(super) fn gemm_of_weights(&mut self, task: &GemmTask) -> Result<(), String> {
        if !self.broadcasts() || task.a_has_quads() {
            self.gemm(task);
            return Ok(());
        }
        let [_, group, row, column] = task.a_strides;
        let packing = Packing {
            groups: task.groups,
            taps: 1,
            flip: false,
            rows: task.m,
            row_pitch: task.m.next_multiple_of(4),
            columns: task.k,
            column_pitch: task.k,
            strides: [group, 0, row, column],
        };
        let a_strides = [0, task.k * packing.row_pitch, 1, packing.row_pitch];
        // Where the packed weights will lie has no say in what the product costs.
        let over = |a: Slot| GemmTask { a, a_strides, ..task.clone() };
        let cycles = |task: &GemmTask| {
            let (product, tile) = gemm_subgroup::product(task);
            product.cycles(tile)
        };
        let cost = if self.options.pack_weights { 0.0 } else { pack_rows::cycles(task.groups * task.m * task.k) };
        if cycles(&over(Slot::UNUSED)) + cost >= cycles(task) || !self.has_room_for([packing.shape()]) {
            self.gemm(task);
            return Ok(());
        }
        let packed = self.pack(&packing, task.a)?;
        self.gemm(&over(packed));
        Ok(())
    }

    /// Whether packed weights of these extents fit bindings, and the workspace where they are to lie there.
    fn has_room_for(&self, shapes: impl IntoIterator<Item = [usize; 4]>) -> bool {
        let bytes = |shape: [usize; 4]| shape.iter().fold(4_u64, |bytes, &n| bytes.saturating_mul(n as u64));
        let (mut largest, mut workspace) = (0, self.program.workspace_bytes);
        for bytes in shapes.into_iter().map(bytes) {
            largest = bytes.max(largest);
            workspace = workspace.saturating_add(bytes.next_multiple_of(WORKSPACE_ALIGNMENT));
        }
        let fits = |most| self.options.pack_weights || workspace <= most;
        largest <= self.caps.max_binding_bytes && self.options.workspace_limit.is_none_or(fits)
    }

    fn pack(&mut self, packing: &Packing, weights: Slot) -> Result<Slot, String> {
        let packed = self.reserve_packed(&packing.shape())?;
        self.push_packing(pack_rows::dispatch(packing, weights, packed));
        Ok(packed)
    }
}
