//! Lowering of the backward pass of a deformable convolution.
//!
//! The gradient of the columns is one matrix product. One pass over the sampling points turns it into the gradients of
//! offset and mask and, as it has the samples at hand, the columns that the gradient of the weight needs. The gradient
//! of the input is a scatter, which is made a gather: the points are sorted by the bilinear cell that they fall in,
//! their contributions are summed cell by cell, and every pixel adds the four cells that it is a corner of.

use crate::algorithm::Algorithm;
use crate::capabilities::KernelClass;
use crate::geometry::Window;
use crate::kernels::deform::DeformTask;
use crate::kernels::deform_conv2d_cells::Tally;
use crate::kernels::deform_conv2d_direct::Sampling;
use crate::kernels::deform_conv2d_grad_sampling::Yields;
use crate::kernels::task::{GemmTask, Sink, Slot, SortTask, broadcast_step};
use crate::kernels::{
    activation_grad, deform_conv2d_cell_lists, deform_conv2d_cell_order, deform_conv2d_cell_scan,
    deform_conv2d_cell_starts, deform_conv2d_cell_sums, deform_conv2d_cell_totals, deform_conv2d_cells,
    deform_conv2d_grad_input, deform_conv2d_grad_sampling, deform_conv2d_grad_sampling_vec4, deform_conv2d_scatter,
    radix_histogram, radix_scan, radix_scatter, scale,
};
use crate::lower::{Applies, Lowering, column_pitch};
use crate::problem::{Activation, DeformConv2d, Gradient};
use crate::program::{Operand, View};
use crate::tensor::TensorName;

impl Lowering<'_> {
    pub(crate) fn deform_gradient(
        &mut self,
        p: &Gradient,
        c: &DeformConv2d,
        window: &Window,
        grad: Slot,
        algorithm: Algorithm,
    ) -> Applies {
        if algorithm == Algorithm::AtomicScatter {
            if !p.wants(TensorName::Input) {
                return Err("grad_input is not wanted".into());
            }
            if !self.caps.f32_atomics {
                return Err("the device has no SHADER_FLOAT32_ATOMIC".into());
            }
        }
        let sampling = Sampling {
            offset_groups: c.offset_groups,
            offset: self.slot(TensorName::Offset),
            mask: c.mask.then(|| self.slot(TensorName::Mask)),
        };
        let task = DeformTask { window, sampling, beta: p.beta };
        let wanted = |name: TensorName| Some(self.slot(name.gradient()?)).filter(|_| p.wants(name));
        let [to_input, to_weight] = [TensorName::Input, TensorName::Weight].map(wanted);
        let [to_offset, to_mask] = [TensorName::Offset, TensorName::Mask].map(wanted);
        let input = self.slot(TensorName::Input);
        let grad = self.flat(window, grad)?;

        let grad_columns = if to_input.is_some() || to_offset.is_some() || to_mask.is_some() {
            self.grad_columns(window, grad)?
        } else {
            Slot::UNUSED
        };
        let columns = if to_weight.is_some() { Some(self.position_major_columns(window)?) } else { None };
        if to_offset.is_some() || to_mask.is_some() {
            let yields = Yields { grad_offset: to_offset, grad_mask: to_mask, columns };
            let mark = self.program.mark();
            let launched = match self.packed_for_sampling(window, &task.sampling, input) {
                Some(packed) => deform_conv2d_grad_sampling_vec4::dispatch(&task, packed, grad_columns, yields),
                None => deform_conv2d_grad_sampling::dispatch(&task, input, grad_columns, yields),
            };
            self.push(launched);
            self.program.release(mark);
        } else if let Some(columns) = columns {
            self.deform_columns(window, &task.sampling, input, columns);
        }
        if let (Some(to), Some(columns)) = (to_weight, columns) {
            let pitch = columns.view.w as usize;
            let rows = window.c_in_per_group() * window.kernel_len();
            let run = columns.view.n as usize;
            self.sliced_product(window, grad, columns, [0, rows, pitch, 1], run, to, p.beta)?;
        }
        if let Some(to) = to_input {
            if algorithm == Algorithm::AtomicScatter {
                let image = Window { c_out: window.c_in, output: window.input, ..window.clone() };
                self.push(scale::dispatch(&image, to, p.beta));
                self.push(deform_conv2d_scatter::dispatch(&task, grad_columns, to));
            } else {
                self.sorted_gather(&task, grad_columns, to)?;
            }
        }
        Ok(())
    }

    /// A gradient whose pixels are evenly spaced, where lanes share loads by subgroup broadcast also one that can be read four pixels at a
    /// time: itself, or a copy.
    fn flat(&mut self, window: &Window, grad: Slot) -> std::result::Result<Slot, String> {
        let View { base, n, c, .. } = grad.view;
        let is_vec4_aligned = [base, n, c, window.output_len() as u32].iter().all(|x| x.is_multiple_of(4));
        let wants_vec4 = self.caps.class == KernelClass::Cpu && broadcast_step(self.caps).is_some();
        match grad.view.flat_stride(window.output) {
            Some(pixel) if !wants_vec4 || (pixel == 1 && is_vec4_aligned) => return Ok(grad),
            _ => {}
        }
        let [_, height, width] = window.output;
        let pitch = column_pitch(window);
        let rows = self.reserve(&[window.batch, window.c_out, pitch])?;
        let view = View { d: (height * width) as u32, h: width as u32, w: 1, ..rows.view };
        let copy = Slot { view, ..rows };
        self.push(activation_grad::dispatch(window, Activation::Identity, None, grad, copy, 0.0));
        Ok(copy)
    }

    /// grad_columns[n, (ci, t), o] = sum_co weight[co, (ci, t)] * grad[n, co, o]
    fn grad_columns(&mut self, w: &Window, grad: Slot) -> std::result::Result<Slot, String> {
        let rows = w.c_in_per_group() * w.kernel_len();
        let columns = self.reserve(&[w.batch, w.c_in * w.kernel_len(), column_pitch(w)])?;
        let c = grad.view.c as usize;
        let pixel = grad.view.flat_stride(w.output).ok_or("the gradient was made flat")? as usize;
        self.gemm(&GemmTask {
            batch: w.batch,
            groups: w.groups,
            m: rows,
            n: w.output_len(),
            k: w.c_out_per_group(),
            a: Slot { operand: Operand::Tensor(TensorName::Weight), ..Slot::UNUSED },
            a_strides: [0, w.c_out_per_group() * rows, 1, rows],
            b: grad,
            b_strides: [grad.view.n as usize, c * w.c_out_per_group(), c, pixel],
            output_size: [1, 1, w.output_len()],
            split_k: None,
            sink: Sink::plain(columns, 0.0),
        });
        Ok(columns)
    }

    /// Room for the columns, what belongs to one position together.
    pub(crate) fn position_major_columns(&mut self, w: &Window) -> std::result::Result<Slot, String> {
        let pitch = (w.c_in * w.kernel_len()).next_multiple_of(4);
        let columns = self.reserve(&[w.batch, w.output_len(), pitch])?;
        let view = View { n: (w.output_len() * pitch) as u32, c: 1, w: pitch as u32, ..View::default() };
        Ok(Slot { view, ..columns })
    }

    fn sorted_gather(&mut self, task: &DeformTask<'_>, grad_columns: Slot, to: Slot) -> Applies {
        let (sequences, points) = (task.sequences(), task.points());
        let keys = self.reserve(&[sequences, points])?;
        let places = self.reserve(&[sequences, points, 4])?;
        let starts = self.reserve(&[sequences, task.cells() + 1])?;
        let order = match self.caps.class {
            KernelClass::Gpu => self.order_by_counting(task, keys, places, starts)?,
            KernelClass::Cpu => {
                self.push(deform_conv2d_cells::dispatch(task, keys, places, None));
                let order = self.sort(sequences, points, task.cells(), keys)?;
                self.push(deform_conv2d_cell_starts::dispatch(task, keys, order, starts));
                order
            }
        };
        let sums = self.reserve(&[task.window.batch, task.window.c_in, task.slots(), 4])?;
        let slots = [keys, starts, places, grad_columns, sums];
        self.push(deform_conv2d_cell_sums::dispatch(task, order, slots));
        self.push(deform_conv2d_grad_input::dispatch(task, starts, sums, to));
        Ok(())
    }

    /// Cells and fractions of the points, where each cell's points start, and the points by cell, those of a cell ascending.
    /// The points of a cell are counted and placed by atomics, then brought into order: no invocation works through a
    /// run of keys alone, as those of a radix sort do, each step waiting for the one before.
    fn order_by_counting(
        &mut self,
        task: &DeformTask<'_>,
        keys: Slot,
        places: Slot,
        starts: Slot,
    ) -> std::result::Result<Operand, String> {
        let (sequences, points) = (task.sequences(), task.points());
        let most = self.caps.max_invocations_per_workgroup;
        // The ranks have been read when the order is written.
        let ranks = self.reserve(&[sequences, points])?.operand;
        let order = ranks;
        let mark = self.program.mark();
        let listed = self.reserve(&[sequences, points])?.operand;
        let [_, height, width] = task.window.input;
        let all_cells =
            Window { batch: sequences, c_out: 1, output: [1, height + 1, width + 1], ..task.window.clone() };
        let counts = self.reserve(&[sequences, 1, height + 1, width + 1])?;
        let totals = self.reserve(&[sequences, task.cell_blocks()])?.operand;
        // The zero of an f32 is that of a u32.
        self.push(scale::dispatch(&all_cells, counts, 0.0));
        let counts = counts.operand;
        self.push(deform_conv2d_cells::dispatch(task, keys, places, Some(Tally { counts, ranks })));
        self.push(deform_conv2d_cell_totals::dispatch(task, counts, totals, most));
        self.push(deform_conv2d_cell_scan::dispatch(task, [counts, totals, starts.operand], most));
        self.push(deform_conv2d_cell_lists::dispatch(task, [keys.operand, ranks, starts.operand, listed]));
        self.push(deform_conv2d_cell_order::dispatch(task, [keys.operand, starts.operand, listed, order], most));
        self.program.release(mark);
        Ok(order)
    }

    /// Sorts sequences of keys up to `most`, stable; yields the order of their elements.
    fn sort(&mut self, sequences: usize, len: usize, most: usize, keys: Slot) -> std::result::Result<Operand, String> {
        let mut task = SortTask { sequences, len, shift: 0 };
        let bits = usize::BITS - most.leading_zeros();
        let buffers = [self.reserve(&[sequences, len])?.operand, self.reserve(&[sequences, len])?.operand];
        let table = self.reserve(&[sequences, task.table_len()])?.operand;
        let mut order = None;
        let mut passes = 0;
        while passes == 0 || task.shift < bits {
            let sorted = buffers[passes % 2];
            self.push(radix_histogram::dispatch(&task, keys.operand, order, table));
            self.push(radix_scan::dispatch(&task, table, self.caps.max_invocations_per_workgroup));
            self.push(radix_scatter::dispatch(&task, keys.operand, order, table, sorted));
            order = Some(sorted);
            task.shift += SortTask::BITS;
            passes += 1;
        }
        order.ok_or_else(|| "nothing was sorted".into())
    }
}
