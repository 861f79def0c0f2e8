//! Lowering over packed weights: where lanes load weights for each other, four rows at a time.

use super::lower::Lowering;
use super::pack_rows::{self, Packing};
use super::program::{ConvTask, Dispatch, GemmTask, Slot};
use super::{conv_subgroup_wide, gemm_subgroup};

impl Lowering<'_> {
    /// A convolution by tiles eight columns wide, where they cost less than others; with `turned` over the weight of a transposed
    /// one. Its weights are packed by then.
    pub(super) fn conv_over_packed(&mut self, task: &ConvTask, turned: bool) -> Result<Option<Dispatch>, String> {
        let Some(tile) = conv_subgroup_wide::tile(&task.window, self.options.pack_weights) else { return Ok(None) };
        let packing = conv_subgroup_wide::packing(task, turned, tile, self.caps);
        if !self.has_room_for(&packing) {
            return Ok(None);
        }
        let weight = Slot { operand: task.weight, ..Slot::UNUSED };
        let packed = self.pack(&packing, weight)?;
        let task = ConvTask { weight: packed.operand, ..task.clone() };
        Ok(Some(conv_subgroup_wide::dispatch(&task, tile, self.caps)))
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
        if cycles(&over(Slot::UNUSED)) + cost >= cycles(task) || !self.has_room_for(&packing) {
            self.gemm(task);
            return Ok(());
        }
        let packed = self.pack(&packing, task.a)?;
        self.gemm(&over(packed));
        Ok(())
    }

    /// Whether packed weights fit a binding, and the workspace where they are to lie there.
    fn has_room_for(&self, packing: &Packing) -> bool {
        let bytes = packing.shape().iter().map(|&n| n as u64).product::<u64>().saturating_mul(4);
        let in_workspace =
            if self.options.pack_weights { 0 } else { self.program.workspace_bytes.saturating_add(bytes) };
        bytes <= self.caps.max_binding_bytes && self.options.workspace_limit.is_none_or(|most| in_workspace <= most)
    }

    fn pack(&mut self, packing: &Packing, weights: Slot) -> Result<Slot, String> {
        let packed = self.reserve_packed(&packing.shape())?;
        self.push_packing(pack_rows::dispatch(packing, weights, packed));
        Ok(packed)
    }
}
