//! Lowering over packed weights: four rows to a vec4, where lanes share weight loads by subgroup broadcast and in the tiles of GPUs.

use crate::capabilities::KernelClass;
use crate::kernels::conv_coop_packed::{Frame, Packed};
use crate::kernels::conv_subgroup_wide::Part;
use crate::kernels::pack_rows::Packing;
use crate::kernels::panel_tile::SplitK;
use crate::kernels::task::{ConvTask, GemmTask, Slot};
use crate::kernels::{
    conv_coop_packed, conv_implicit_gemm, conv_packed_gemm, conv_subgroup_wide, conv_sum_slices, coop_pack_input,
    coop_pack_weight, coop_peaks, gemm_subgroup, gemm_vec4, pack_phases, pack_rows,
};
use crate::lower::WORKSPACE_ALIGNMENT;
use crate::lower::{Applies, Lowering};
use crate::program::Operand;

impl Lowering<'_> {
    /// A convolution by tiles eight columns wide; with `turned` over the weight of a transposed one. Says whether they cost less than
    /// others: where they do not, nothing is lowered.
    pub(crate) fn conv_over_packed(&mut self, task: &ConvTask, turned: bool) -> Result<bool, String> {
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
    pub(crate) fn phases_over_packed(&mut self, task: &ConvTask) -> Result<bool, String> {
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
    pub(crate) fn gemm_of_weights(&mut self, task: &GemmTask) -> Result<(), String> {
        if !self.broadcasts() || task.a_is_vec4_aligned() {
            self.gemm(task);
            return Ok(());
        }
        let packing = by_row_vec4(task);
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

    /// A convolution by tiles of a GPU over packed weights, tap by tap; with `turned` over the weight of a transposed one.
    pub(crate) fn packed_gemm(&mut self, task: &ConvTask, turned: bool) -> Applies {
        if self.caps.class == KernelClass::Cpu {
            return Err("it is for GPUs: on a CPU adapter register-tiled packs weights".into());
        }
        let Some(split_k) = conv_packed_gemm::split_k(&task.window, self.caps, self.options.tile) else {
            return Err("the device has no room for a tile".into());
        };
        let packing = conv_packed_gemm::packing(task, turned, split_k.tile);
        if !self.has_room_for([packing.shape()]) {
            return Err("there is no room for packed weights".into());
        }
        let packed = self.pack(&packing, Slot { operand: task.weight, ..Slot::UNUSED })?;
        let task = ConvTask { weight: packed.operand, ..task.clone() };
        if split_k.count == 1 {
            self.push(conv_packed_gemm::dispatch(&task, &split_k));
            return Ok(());
        }
        let partial = self.partial_images(&task, split_k.count)?;
        self.push(conv_packed_gemm::partial(&task, &split_k, partial));
        self.push(conv_sum_slices::dispatch(&task, split_k.count, partial));
        Ok(())
    }

    /// A convolution by cooperative matrices over factors that are packed as f16, scaled where they are not stored so.
    pub(crate) fn cooperative_packed(&mut self, task: &ConvTask) -> Applies {
        let w = &task.window;
        conv_coop_packed::applies(w, self.caps)?;
        if !self.has_room_for(conv_coop_packed::packed_shapes(w)) {
            return Err("there is no room for packed factors".into());
        }
        let [input, weight] = conv_coop_packed::packed_shapes(w);
        let (mut peaks, mut exponents) = (None, None);
        if !self.has_halves(task) {
            peaks = Some(self.reserve(&[w.batch, coop_peaks::parts(task)])?);
            exponents = Some([self.reserve_packed(&[w.c_out])?, self.reserve(&[w.batch])?]);
        }
        let packed = Packed { input: self.reserve(&input)?, weight: self.reserve_packed(&weight)?, exponents };
        self.push_packing(coop_pack_weight::dispatch(task, packed.weight, exponents.map(|[rows, _]| rows)));
        if let Some(peaks) = peaks {
            self.push(coop_peaks::dispatch(task, peaks));
        }
        let scale = peaks.zip(exponents).map(|(peaks, [_, images])| [peaks, images]);
        self.push(coop_pack_input::dispatch(task, &Frame::new(w), packed.input, scale));
        self.push(conv_coop_packed::dispatch(task, &packed, self.caps)?);
        Ok(())
    }

    /// Room for the sums of so many slices of a convolution, each as large as its output.
    pub(crate) fn partial_images(&mut self, task: &ConvTask, slices: usize) -> Result<Slot, String> {
        let w = &task.window;
        let [d, h, width] = w.output;
        self.reserve(&[slices * w.batch, w.c_out, d, h, width])
    }

    /// Tile and slices of a product of two matrices that a GPU reads by vec4s; `None` where it cannot.
    pub(crate) fn vec4_split_k(&self, task: &GemmTask, whole: bool) -> Option<SplitK> {
        if !gemm_vec4::applies(task) {
            return None;
        }
        gemm_vec4::split_k(task, self.caps, self.options.tile, whole)
    }

    /// The product of weights and a stored matrix on a GPU, by vec4s of packed weights where those of the matrix lie so and that costs
    /// less. Says whether: where not, nothing is lowered. `conv` is the convolution that it computes.
    pub(crate) fn vec4_product(&mut self, conv: &ConvTask, task: &GemmTask) -> Result<bool, String> {
        let packing = by_row_vec4(task);
        let a_strides = [0, task.k * packing.row_pitch, 1, packing.row_pitch];
        // Where they will lie has no say in what the product costs.
        let over = |a: Slot| GemmTask { a, a_strides, ..task.clone() };
        let stand_in = Slot { operand: Operand::Packed { offset: 0, bytes: 0 }, ..Slot::UNUSED };
        let Some(split_k) = self.vec4_split_k(&over(stand_in), false) else { return Ok(false) };
        let weights = task.groups * task.m * task.k;
        let packed = if self.options.pack_weights { 0.0 } else { pack_rows::time(weights) };
        let plain = conv_implicit_gemm::time_of_product(task, self.caps);
        if (self.options.tile.is_none() && split_k.time + packed >= plain) || !self.has_room_for([packing.shape()]) {
            return Ok(false);
        }
        let a = self.pack(&packing, task.a)?;
        let task = over(a);
        if split_k.count == 1 {
            self.push(gemm_vec4::dispatch(&task, &split_k));
            return Ok(true);
        }
        let partial = self.partial_images(conv, split_k.count)?;
        self.push(gemm_vec4::partial(&task, &split_k, partial));
        self.push(conv_sum_slices::dispatch(conv, split_k.count, partial));
        Ok(true)
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
        self.push_packing(pack_rows::dispatch(packing, self.caps.class, weights, packed));
        Ok(packed)
    }
}

/// The weights of a product with four rows to a vec4.
fn by_row_vec4(task: &GemmTask) -> Packing {
    let [_, group, row, column] = task.a_strides;
    Packing {
        groups: task.groups,
        taps: 1,
        flip: false,
        rows: task.m,
        row_pitch: task.m.next_multiple_of(4),
        columns: task.k,
        column_pitch: task.k,
        strides: [group, 0, row, column],
    }
}
