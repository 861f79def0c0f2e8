//! What launchers are given: tensors with the views that shaders read them through, and the products made of them.

use crate::capabilities::{Capabilities, KernelClass};
use crate::geometry::Window;
use crate::problem::{Epilogue, PaddingMode};
use crate::program::{Constant, GemmParams, Operand, Params, SortParams, View, WindowParams};

/// An operand with the view that the shader reads it through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub operand: Operand,
    pub view: View,
}

impl Slot {
    pub const UNUSED: Slot = Slot {
        operand: Operand::Unused,
        view: View { base: 0, n: 0, c: 0, d: 0, h: 0, w: 0, reserved0: 0, reserved1: 0 },
    };

    /// Whether rows of so many elements can be read and written as vec4s.
    pub fn is_vec4_aligned(&self, width: usize) -> bool {
        let View { base, n, c, d, h, w, .. } = self.view;
        // A workspace range is bound at its start.
        let base = if matches!(self.operand, Operand::Tensor(_)) { base } else { 0 };
        w == 1 && width.is_multiple_of(4) && [base, n, c, d, h].iter().all(|n| n.is_multiple_of(4))
    }
}

/// The strides of the positions of an output and of its residual taken as one axis, where both lie so; zero for a residual that is
/// absent.
pub(crate) fn flat_strides(output: Slot, residual: Slot, size: [usize; 3]) -> Option<[u32; 2]> {
    let output = output.view.flat_stride(size)?;
    match residual.view.flat_stride(size) {
        Some(residual) => Some([output, residual]),
        None => (residual.operand == Operand::Unused).then_some([output, 0]),
    }
}

/// Where sums go, and what is done to them on the way: output = activation(sum + bias + residual) + beta * output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sink {
    pub epilogue: Epilogue,
    pub bias: Slot,
    pub residual: Slot,
    pub output: Slot,
    /// Factor of what the output held before.
    pub beta: f32,
}

impl Sink {
    /// Sums as they are.
    pub fn plain(output: Slot, beta: f32) -> Self {
        Sink { epilogue: Epilogue::default(), bias: Slot::UNUSED, residual: Slot::UNUSED, output, beta }
    }
}

/// A convolution between slots: what the launchers of plain convolutions are given.
#[derive(Debug, Clone)]
pub(crate) struct ConvTask {
    pub window: Window,
    pub padding_mode: PaddingMode,
    pub flip_kernel: bool,
    pub input: Slot,
    pub weight: Operand,
    pub sink: Sink,
}

/// Stands a row of an image up as a column: the depthwise kernels slide down columns. `None` where there are rows.
pub(crate) fn swap_hw(w: &Window) -> Option<Window> {
    if [w.input[1], w.kernel[1], w.output[1]] != [1; 3] {
        return None;
    }
    let turned = |[d, h, w]: [usize; 3]| [d, w, h];
    Some(Window {
        input: turned(w.input),
        kernel: turned(w.kernel),
        stride: turned(w.stride),
        dilation: turned(w.dilation),
        pad_begin: turned(w.pad_begin),
        pad_end: turned(w.pad_end),
        output: turned(w.output),
        ..w.clone()
    })
}

/// The slot of a tensor whose row is taken for a column.
pub(crate) fn swap_hw_slot(slot: Slot) -> Slot {
    Slot { view: View { h: slot.view.w, w: slot.view.h, ..slot.view }, ..slot }
}

impl ConvTask {
    /// The same task, its row stood up as a column where there is but one.
    pub fn swap_hw(&self) -> ConvTask {
        let Some(window) = swap_hw(&self.window) else { return self.clone() };
        ConvTask {
            window,
            input: swap_hw_slot(self.input),
            sink: Sink {
                residual: swap_hw_slot(self.sink.residual),
                output: swap_hw_slot(self.sink.output),
                ..self.sink
            },
            ..self.clone()
        }
    }

    /// The uniform, complete.
    pub fn params(&self) -> Params {
        Params::Window(Box::new(self.window_params()))
    }

    /// Likewise, for what a kernel adds.
    pub fn window_params(&self) -> WindowParams {
        let params = WindowParams {
            input: self.input.view,
            output: self.sink.output.view,
            residual: self.sink.residual.view,
            beta: self.sink.beta,
            ..WindowParams::new(&self.window)
        };
        params.with_epilogue(&self.sink.epilogue)
    }

    /// input, weight, bias, residual, output
    pub fn operands(&self) -> Vec<Operand> {
        vec![
            self.input.operand,
            self.weight,
            self.sink.bias.operand,
            self.sink.residual.operand,
            self.sink.output.operand,
        ]
    }

    pub fn n_outputs(&self) -> u64 {
        (self.window.batch * self.window.c_out * self.window.output_len()) as u64
    }
}

/// A batched, grouped matrix product with the epilogue of a convolution. Row i of group g is output channel g·m + i,
/// column j is output position j.
#[derive(Debug, Clone)]
pub(crate) struct GemmTask {
    pub batch: usize,
    pub groups: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Slot,
    /// Distance of batches, groups, rows and columns of a.
    pub a_strides: [usize; 4],
    pub b: Slot,
    /// Distance of batches, groups, rows and columns of b.
    pub b_strides: [usize; 4],
    pub output_size: [usize; 3],
    pub sink: Sink,
    /// The sum cut into slices, which then count as the batch.
    pub split_k: Option<SplitSum>,
}

/// A sum over runs of neighbours, cut into slices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SplitSum {
    /// Elements of the sum in one slice.
    pub slice: usize,
    /// Neighbours in a run.
    pub run: usize,
    /// Distance of runs in a and b.
    pub run_strides: [usize; 2],
}

impl GemmTask {
    /// Elements of a run of the sum; zero where it is not cut.
    pub fn run(&self) -> usize {
        self.split_k.map_or(0, |slices| slices.run)
    }

    /// Whether a can be read four rows at a time.
    pub fn a_is_vec4_aligned(&self) -> bool {
        let [a_batch, a_group, a_row, a_column] = self.a_strides;
        // As for b, below.
        let (a_base, m) = match self.a.operand {
            Operand::Tensor(_) => (self.a.view.base as usize, self.m),
            _ => (0, self.m.next_multiple_of(4)),
        };
        let a_run = self.split_k.map_or(0, |slices| slices.run_strides[0]);
        a_row == 1 && m <= a_column && [a_batch, a_group, a_column, a_run, a_base, m].iter().all(|n| n % 4 == 0)
    }

    /// Whether b can be read four columns at a time.
    pub fn b_is_vec4_aligned(&self) -> bool {
        let [b_batch, b_group, b_row, b_column] = self.b_strides;
        // A tensor is bound from a multiple of 16 bytes, and the uniform says where in the binding it starts; a workspace
        // range is bound at its start. The last vec4 of a row may reach past n in a workspace, whose pitch holds it, but
        // not in a tensor, whose binding may end there.
        let (b_base, n) = match self.b.operand {
            Operand::Tensor(_) => (self.b.view.base as usize, self.n),
            _ => (0, self.n.next_multiple_of(4)),
        };
        let b_run = self.split_k.map_or(0, |slices| slices.run_strides[1]);
        b_column == 1 && n <= b_row && [b_batch, b_group, b_row, b_run, b_base, n].iter().all(|n| n % 4 == 0)
    }

    pub fn params(&self) -> Params {
        Params::Gemm(Box::new(self.gemm_params()))
    }

    /// Likewise, for what a kernel changes.
    pub fn gemm_params(&self) -> GemmParams {
        let slices = self.split_k.unwrap_or(SplitSum { slice: self.k, run: self.k, run_strides: [0; 2] });
        let [a_batch, a_group, a_row, a_column] = self.a_strides.map(|s| s as u32);
        let [b_batch, b_group, b_row, b_column] = self.b_strides.map(|s| s as u32);
        let params = GemmParams {
            output: self.sink.output.view,
            residual: self.sink.residual.view,
            output_size: self.output_size.map(|s| s as u32),
            batch: self.batch as u32,
            m: self.m as u32,
            n: self.n as u32,
            k: self.k as u32,
            groups: self.groups as u32,
            a_batch,
            a_group,
            a_row,
            a_column,
            a_base: self.a.view.base,
            a_run: slices.run_strides[0] as u32,
            b_run: slices.run_strides[1] as u32,
            run: slices.run as u32,
            slice: slices.slice as u32,
            beta: self.sink.beta,
            b_base: self.b.view.base,
            b_batch,
            b_group,
            b_row,
            b_column,
            ..GemmParams::default()
        };
        params.with_epilogue(&self.sink.epilogue)
    }

    /// a, b, bias, residual, output
    pub fn operands(&self) -> Vec<Operand> {
        vec![
            self.a.operand,
            self.b.operand,
            self.sink.bias.operand,
            self.sink.residual.operand,
            self.sink.output.operand,
        ]
    }
}

/// A pass of a radix sort, as in `shaders/lib/radix.wgsl`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SortTask {
    pub sequences: usize,
    pub len: usize,
    /// Bits below the digit of this pass.
    pub shift: u32,
}

impl SortTask {
    /// Bits of a digit.
    pub const BITS: u32 = 6;
    /// Values of a digit.
    pub const DIGITS: u64 = 1 << SortTask::BITS;
    /// Keys that one invocation takes.
    pub const RUN: usize = 64;

    pub fn runs(&self) -> usize {
        self.len.div_ceil(SortTask::RUN)
    }

    /// Counts of a sequence.
    pub fn table_len(&self) -> usize {
        self.runs() << SortTask::BITS
    }

    pub fn params(&self) -> Params {
        let (sequences, len) = (self.sequences as u32, self.len as u32);
        Params::Sort(SortParams { sequences, len, shift: self.shift, ..SortParams::default() })
    }
}

/// The number that `shaders/lib/padding.wgsl` knows the mode by.
pub(crate) fn padding_code(mode: PaddingMode) -> Constant {
    Constant::U32(match mode {
        PaddingMode::Zeros => 0,
        PaddingMode::Reflect => 1,
        PaddingMode::Replicate => 2,
        PaddingMode::Circular => 3,
    })
}

/// Invocations per workgroup of the one-element-per-invocation kernels: two or more subgroups on every GPU, a multiple
/// of the eight lanes of a software rasteriser.
pub(crate) const WORKGROUP: u32 = 64;

/// Invocations per workgroup of a kernel whose invocations compute `each` of `positions` in a row. A GPU wants full
/// subgroups. A software rasteriser wants a multiple of its eight lanes that leaves few of them beyond the last position:
/// the largest one that wastes at most an eighth more than the best.
pub(crate) fn workgroup_along(positions: usize, each: u32, class: KernelClass) -> u32 {
    if class == KernelClass::Gpu {
        return WORKGROUP;
    }
    let covered = |workgroup: u32| (positions as u64).next_multiple_of(u64::from(workgroup * each));
    let sizes = [64, 32, 16, 8];
    let best = covered(8);
    sizes.into_iter().find(|&size| covered(size) <= best + best / 8).unwrap_or(8)
}

/// Elements below one another that one invocation of a pooling kernel computes, and the workgroups that cover all `channels` of
/// `extents`. Dividing an
/// index costs a software rasteriser as much as a tap does, so they share it; a GPU hides it behind its loads and wants
/// the invocations.
pub(crate) fn strips(batch: usize, channels: usize, extents: [usize; 3], class: KernelClass) -> (u32, u64) {
    let rows: u32 = match class {
        KernelClass::Gpu => 1,
        KernelClass::Cpu => 4,
    };
    let [depth, height, width] = extents;
    let invocations = batch * channels * depth * height.div_ceil(rows as usize) * width;
    (rows, workgroups_for(invocations as u64))
}

/// Whether 256 invocations should share a 128 x 128 tile of a matrix product, of which there would be `tiles`. It halves
/// the traffic per multiply-add but leaves most of a big GPU idle below about this many.
pub(crate) fn wants_large_tile(rows: usize, tiles: u64, max_invocations: u32) -> bool {
    const ENOUGH: u64 = 128;
    max_invocations >= 256 && rows > 64 && tiles >= ENOUGH
}

/// How many elements the lanes of a subgroup load for each other, where they can.
pub(crate) fn broadcast_step(caps: &Capabilities) -> Option<u32> {
    match caps.subgroup_size {
        Some(8..) => Some(8),
        Some(4..) => Some(4),
        _ => None,
    }
}

/// Likewise where so many products are to be summed: more lanes than products would load nothing.
pub(crate) fn broadcast_step_for(products: usize, caps: &Capabilities) -> u32 {
    let step = broadcast_step(caps).unwrap_or(4);
    if products <= 4 { 4 } else { step }
}

/// Rows of a register tile four columns wide whose row factors are loaded by eight lanes for each other. For eight
/// products a tile loads 32 vectors of columns and as many of rows as it has; the multiply-adds cost about half as much
/// as the latter.
pub(crate) fn broadcast_tile(rows: usize) -> u32 {
    let cost = |&tile: &u32| rows.div_ceil(tile as usize) * (64 + 3 * tile as usize);
    [4, 8, 16, 24, 32].into_iter().min_by_key(cost).unwrap_or(32)
}

/// Invocations of a workgroup that sums `elements` by a tree: a power of two.
pub(crate) fn workgroup_for_sum(elements: usize, max_invocations: u32) -> u32 {
    if elements > 512 && max_invocations >= 256 { 256 } else { WORKGROUP }
}

/// Workgroups that cover `invocations`.
pub(crate) fn workgroups_for(invocations: u64) -> u64 {
    invocations.div_ceil(u64::from(WORKGROUP))
}
