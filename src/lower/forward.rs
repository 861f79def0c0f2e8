//! Lowering of forward operations: which kernels an algorithm runs over which slots.

use super::WORKSPACE_ALIGNMENT;
use super::builder::Builder;
use crate::algorithm::Algorithm;
use crate::capabilities::{Capabilities, KernelClass};
use crate::error::{Error, Result};
use crate::geometry::{Geometry, Window};
use crate::kernels::deform_conv2d_direct::Sampling;
use crate::kernels::task::{ConvTask, GemmTask, Sink, Slot, broadcast_step};
use crate::kernels::{
    avg_pool, col2im, conv_coop_gemm, conv_direct, conv_implicit_gemm, conv_subgroup, conv_sum_slices,
    conv_taps_subgroup, conv_thread_tile, conv_transpose_gather, conv_transpose_implicit_gemm, conv_transpose_phases,
    conv_transpose_subgroup, conv_transpose2d_depthwise, conv2d_depthwise, conv2d_dilated, deform_conv2d_direct,
    deform_conv2d_im2col, deform_conv2d_im2col_vec4, deform_conv2d_implicit_gemm, deform_conv2d_pack_input,
    deform_conv2d_subgroup, depth_to_space, gemm_subgroup, gemm_thread_tile, gemm_thread_tile_vec4, gemm_tiled,
    gemm_vec4, im2col, locally_connected2d_direct, lp_pool, max_pool, pool_reduce, space_to_depth,
    spatial_separable2d_direct,
};
use crate::options::Options;
use crate::problem::{ConvTranspose, DeformConv2d, Epilogue, PaddingMode, Pool, PoolMode, Problem};
use crate::program::{Dispatch, Operand, View};
use crate::tensor::{Storage, TensorName, TensorSpec};

/// A program of one part of a batch while it is put together.
pub(super) struct Lowering<'a> {
    pub geometry: &'a Geometry,
    pub caps: &'a Capabilities,
    pub options: &'a Options,
    /// Stands in for the output: a backward pass recomputes some forward outputs into the workspace.
    pub output: Option<Slot>,
    pub program: Builder,
}

pub(super) fn lower_f32(
    geometry: &Geometry,
    algorithm: Algorithm,
    caps: &Capabilities,
    options: &Options,
) -> Result<Builder> {
    let mut lowering = Lowering { geometry, caps, options, output: None, program: Builder::default() };
    let refused = |reason: String| Error::Unsupported {
        what: format!("{} by {algorithm}", geometry.problem().op_name()),
        reason,
    };
    if !Algorithm::of(geometry.problem()).contains(&algorithm) {
        return Err(refused("the operation has no such algorithm".into()));
    }
    lowering.problem(algorithm).map_err(refused)?;
    Ok(lowering.program)
}

/// `Err` says why the algorithm does not apply.
pub(super) type Applies = std::result::Result<(), String>;

impl Lowering<'_> {
    pub fn problem(&mut self, algorithm: Algorithm) -> Applies {
        let geometry = self.geometry;
        match (geometry.problem(), geometry.window()) {
            (Problem::Gradient(p), _) => self.gradient(p, algorithm),
            (Problem::Conv(p), Some(window)) => {
                let mut task = self.task(window, p.epilogue, TensorName::Weight);
                (task.padding_mode, task.flip_kernel) = (p.padding_mode, p.flip_kernel);
                self.conv(&task, algorithm)
            }
            (Problem::ConvTranspose(p), Some(window)) => self.conv_transpose(p, window, algorithm),
            (Problem::DeformConv2d(p), Some(window)) => self.deform_conv2d(p, window, algorithm),
            (Problem::LocallyConnected2d(p), Some(window)) => {
                let task = self.task(window, p.epilogue, TensorName::Weight);
                self.program.dispatches.push(locally_connected2d_direct::dispatch(&task));
                Ok(())
            }
            (Problem::SpatialSeparable2d(p), Some(window)) => {
                let mut task = self.task(window, p.epilogue, TensorName::WeightV);
                task.padding_mode = p.padding_mode;
                self.spatial_separable2d(&task, algorithm)
            }
            (Problem::DepthwiseSeparable2d(p), Some(window)) => {
                let mut task = self.task(window, p.epilogue, TensorName::WeightDw);
                task.padding_mode = p.padding_mode;
                self.depthwise_separable2d(task, p.c_out, algorithm)
            }
            (Problem::Pool(p), Some(window)) => self.pool(p, window, algorithm),
            (Problem::Im2col(_), Some(window)) => {
                let (input, output) = (self.slot(TensorName::Input), self.slot(TensorName::Output));
                let dispatch = im2col::dispatch(window, PaddingMode::Zeros, false, input, output, 0.0);
                self.program.dispatches.push(dispatch);
                Ok(())
            }
            (Problem::Col2im(_), Some(window)) => {
                let (input, output) = (self.slot(TensorName::Input), self.slot(TensorName::Output));
                self.push(col2im::dispatch(window, false, input, &Sink::plain(output, 0.0)));
                Ok(())
            }
            (Problem::DepthToSpace(p), _) => self
                .shuffle(|specs, input, output| depth_to_space::dispatch(p.block, p.order, specs, input, output, 0.0)),
            (Problem::SpaceToDepth(p), _) => self
                .shuffle(|specs, input, output| space_to_depth::dispatch(p.block, p.order, specs, input, output, 0.0)),
            (_, None) => Err("the operation needs a window".into()),
        }
    }

    /// The slot of a tensor, or the unused one when the problem does not have it.
    pub fn slot(&self, name: TensorName) -> Slot {
        if let (TensorName::Output, Some(slot)) = (name, self.output) {
            return slot;
        }
        let Some(spec) = self.geometry.tensor(name) else { return Slot::UNUSED };
        let view = View::new(&self.options.layout_of(spec));
        Slot { operand: Operand::Tensor(name), view }
    }

    pub fn push(&mut self, dispatch: Dispatch) {
        self.program.dispatches.push(dispatch);
    }

    pub fn reserve(&mut self, shape: &[usize]) -> std::result::Result<Slot, String> {
        self.program.reserve(shape).ok_or_else(|| format!("a workspace of {shape:?} exceeds 2^31 - 1 elements"))
    }

    /// Room for what is derived from the weights alone.
    pub fn reserve_packed(&mut self, shape: &[usize]) -> std::result::Result<Slot, String> {
        if !self.options.pack_weights {
            return self.reserve(shape);
        }
        self.program
            .reserve_packed(shape)
            .ok_or_else(|| format!("packed weights of {shape:?} exceed 2^31 - 1 elements"))
    }

    /// A launch that derives something from the weights alone.
    pub fn push_packing(&mut self, dispatch: Dispatch) {
        if self.options.pack_weights {
            self.program.packing.push(dispatch);
        } else {
            self.program.dispatches.push(dispatch);
        }
    }

    /// Whether lanes share loads by subgroup broadcast: a CPU adapter with subgroups.
    pub fn broadcasts(&self) -> bool {
        self.caps.class == KernelClass::Cpu && broadcast_step(self.caps).is_some()
    }

    fn task(&self, window: &Window, epilogue: Epilogue, weight: TensorName) -> ConvTask {
        ConvTask {
            window: window.clone(),
            padding_mode: PaddingMode::Zeros,
            flip_kernel: false,
            input: self.slot(TensorName::Input),
            weight: Operand::Tensor(weight),
            sink: Sink {
                epilogue,
                bias: self.slot(TensorName::Bias),
                residual: self.slot(TensorName::Residual),
                output: self.slot(TensorName::Output),
                beta: 0.0,
            },
        }
    }

    pub fn gemm(&mut self, task: &GemmTask) {
        self.program.dispatches.push(match self.caps.class {
            KernelClass::Gpu => match self.vec4_split_k(task, true) {
                Some(split_k) => gemm_vec4::dispatch(task, &split_k),
                None => gemm_tiled::dispatch(task, self.caps),
            },
            KernelClass::Cpu if self.broadcasts() => gemm_subgroup::dispatch(task, self.caps),
            KernelClass::Cpu if gemm_thread_tile_vec4::applies(task) => {
                gemm_thread_tile_vec4::dispatch(task, self.caps.class)
            }
            KernelClass::Cpu => gemm_thread_tile::dispatch(task, self.caps.class),
        });
    }

    pub fn conv(&mut self, task: &ConvTask, algorithm: Algorithm) -> Applies {
        if self.options.accuracy < algorithm.accuracy() {
            return Err(format!("it needs Options::accuracy of {} or less", algorithm.accuracy()));
        }
        let dispatch = match algorithm {
            Algorithm::RegisterTiled if self.broadcasts() && conv_subgroup::wants(&task.window) => {
                if self.conv_over_packed(task, false)? {
                    return Ok(());
                }
                conv_subgroup::dispatch(task, self.caps)
            }
            Algorithm::RegisterTiled if self.broadcasts() => conv_taps_subgroup::dispatch(task, self.caps),
            Algorithm::RegisterTiled => conv_thread_tile::dispatch(task, self.caps.class),
            Algorithm::Depthwise => {
                conv2d_depthwise::applies(task)?;
                conv2d_depthwise::dispatch(task, self.caps.class)
            }
            Algorithm::Dilated => {
                conv2d_dilated::applies(task)?;
                conv2d_dilated::dispatch(task)
            }
            Algorithm::PointwiseGemm => return self.pointwise_gemm(task),
            Algorithm::Im2colGemm => return self.im2col_gemm(task),
            Algorithm::WinogradF2 => return self.winograd(task, 2),
            Algorithm::WinogradF2Fused => return self.winograd_in_one_pass(task),
            Algorithm::WinogradF4 => return self.winograd(task, 4),
            Algorithm::ImplicitGemm => conv_implicit_gemm::dispatch(task, self.caps),
            Algorithm::PackedGemm => return self.packed_gemm(task, false),
            Algorithm::SplitKGemm => return self.split_k_conv(task),
            Algorithm::CooperativeGemm => conv_coop_gemm::dispatch(task, self.caps, !self.has_halves(task))?,
            Algorithm::CooperativePackedF16 => return self.cooperative_packed(task),
            Algorithm::CooperativeGemmF16 => conv_coop_gemm::dispatch(task, self.caps, false)?,
            _ => conv_direct::dispatch(task),
        };
        self.program.dispatches.push(dispatch);
        Ok(())
    }

    /// Whether the factors are stored as f16: one part already, and nothing to scale.
    pub fn has_halves(&self, task: &ConvTask) -> bool {
        let stored = |operand: Operand| matches!(operand, Operand::Tensor(_));
        self.options.storage == Storage::F16 && [task.input.operand, task.weight].into_iter().all(stored)
    }

    /// The sums in slices, so that a small output fills a device, and their sum in a fixed order.
    fn split_k_conv(&mut self, task: &ConvTask) -> Applies {
        let split_k = conv_implicit_gemm::split_k(&task.window, self.caps);
        if split_k.count == 1 {
            return Err("the output is large enough, or the sums are too short to be cut".into());
        }
        self.conv_by_splits(task, &split_k)
    }

    fn conv_by_splits(&mut self, task: &ConvTask, split_k: &conv_implicit_gemm::SplitK) -> Applies {
        let partial = self.partial_images(task, split_k.count)?;
        self.push(conv_implicit_gemm::partial(task, split_k, partial));
        self.push(conv_sum_slices::dispatch(task, split_k.count, partial));
        Ok(())
    }

    /// The output of a window whose columns are there: on a GPU one product over all images.
    fn weight_times_columns(&mut self, task: &ConvTask, columns: Slot) -> Applies {
        if self.caps.class == KernelClass::Cpu {
            return self.gemm_of_weights(&weight_times(task, columns, column_strides(&task.window)));
        }
        let product = weight_times(task, columns, column_strides(&task.window));
        if self.vec4_product(task, &product)? {
            return Ok(());
        }
        self.product_by_splits(&over_columns(task, columns))
    }

    /// One product over all images, its sums cut where that fills the device.
    fn product_by_splits(&mut self, task: &ConvTask) -> Applies {
        match conv_implicit_gemm::split_k(&task.window, self.caps) {
            split_k if split_k.count > 1 => self.conv_by_splits(task, &split_k),
            _ => {
                self.push(conv_implicit_gemm::dispatch(task, self.caps));
                Ok(())
            }
        }
    }

    fn pointwise_gemm(&mut self, task: &ConvTask) -> Applies {
        let w = &task.window;
        if !w.is_pointwise() {
            return Err("it needs a 1x1 kernel, stride 1 and no padding".into());
        }
        let view = task.input.view;
        let product = view.flat_stride(w.input).map(|pixel| {
            let strides = [view.n as usize, view.c as usize * w.c_in_per_group(), view.c as usize, pixel as usize];
            weight_times(task, task.input, strides)
        });
        match (product, self.caps.class) {
            (Some(product), KernelClass::Gpu) if self.vec4_product(task, &product)? => Ok(()),
            (_, KernelClass::Gpu) => self.product_by_splits(task),
            (Some(product), KernelClass::Cpu) => self.gemm_of_weights(&product),
            (None, KernelClass::Cpu) => Err("the input's pixels are not evenly spaced".into()),
        }
    }

    fn im2col_gemm(&mut self, task: &ConvTask) -> Applies {
        let w = &task.window;
        let columns = self.reserve(&[w.batch, w.c_in * w.kernel_len(), column_pitch(w)])?;
        let dispatch = im2col::dispatch(w, task.padding_mode, task.flip_kernel, task.input, columns, 0.0);
        self.program.dispatches.push(dispatch);
        self.weight_times_columns(task, columns)
    }

    fn conv_transpose(&mut self, p: &ConvTranspose, window: &Window, algorithm: Algorithm) -> Applies {
        let mut task = self.task(window, p.epilogue, TensorName::Weight);
        task.flip_kernel = p.flip_kernel;
        self.transposed(&task, algorithm)
    }

    pub fn transposed(&mut self, task: &ConvTask, algorithm: Algorithm) -> Applies {
        let dispatch = match algorithm {
            Algorithm::Depthwise => {
                conv_transpose2d_depthwise::applies(task)?;
                match turned(task)
                    .filter(|turned| turned.window.c_out_per_group() == 1 && conv2d_depthwise::applies(turned).is_ok())
                {
                    Some(turned) => conv2d_depthwise::dispatch(&turned, self.caps.class),
                    None => conv_transpose2d_depthwise::dispatch(task),
                }
            }
            Algorithm::Phases => {
                conv_transpose_phases::applies(task)?;
                if self.broadcasts() {
                    let wide = match turned(task) {
                        Some(turned) => self.conv_over_packed(&turned, true)?,
                        None => self.phases_over_packed(task)?,
                    };
                    if wide {
                        return Ok(());
                    }
                    conv_transpose_subgroup::dispatch(task, self.caps)
                } else {
                    conv_transpose_phases::dispatch(task, self.caps.class)
                }
            }
            Algorithm::ImplicitGemm => {
                conv_transpose_phases::applies(task)?;
                conv_transpose_implicit_gemm::dispatch(task, self.caps)
            }
            Algorithm::PackedGemm => {
                let Some(turned) = turned(task) else {
                    return Err("a transposed convolution with strides has phases".into());
                };
                return self.packed_gemm(&turned, true);
            }
            Algorithm::GemmCol2im => return self.gemm_col2im(task),
            _ => conv_transpose_gather::dispatch(task),
        };
        self.program.dispatches.push(dispatch);
        Ok(())
    }

    /// columns[n, g, (co, k), i] = sum_ci weight[ci, (co, k)] * input[n, g, ci, i], then their sum over the output.
    fn gemm_col2im(&mut self, task: &ConvTask) -> Applies {
        let w = &task.window;
        let Some(pixel) = task.input.view.flat_stride(w.input) else {
            return Err("the input's pixels are not evenly spaced".into());
        };
        let view = task.input.view;
        let rows = w.c_out_per_group() * w.kernel_len();
        let product = GemmTask {
            batch: w.batch,
            groups: w.groups,
            m: rows,
            n: w.input_len(),
            k: w.c_in_per_group(),
            a: Slot { operand: task.weight, ..Slot::UNUSED },
            a_strides: [0, w.c_in_per_group() * rows, 1, rows],
            b: task.input,
            b_strides: [view.n as usize, view.c as usize * w.c_in_per_group(), view.c as usize, pixel as usize],
            output_size: w.output,
            split_k: None,
            sink: task.sink,
        };
        if w.is_pointwise() {
            // The columns are the output.
            return self.gemm_of_weights(&product);
        }
        let columns = self.reserve(&[w.batch, w.c_out * w.kernel_len(), w.input_len()])?;
        self.gemm_of_weights(&GemmTask {
            output_size: [1, 1, w.input_len()],
            sink: Sink::plain(columns, 0.0),
            ..product
        })?;
        // The convolution whose adjoint this is slides over the output.
        let adjoint = Window { c_in: w.c_out, c_out: w.c_out, input: w.output, output: w.input, ..w.clone() };
        self.program.dispatches.push(col2im::dispatch(&adjoint, task.flip_kernel, columns, &task.sink));
        Ok(())
    }

    fn deform_conv2d(&mut self, p: &DeformConv2d, window: &Window, algorithm: Algorithm) -> Applies {
        let task = self.task(window, p.epilogue, TensorName::Weight);
        let sampling = Sampling {
            offset_groups: p.offset_groups,
            offset: self.slot(TensorName::Offset),
            mask: p.mask.then(|| self.slot(TensorName::Mask)),
        };
        if algorithm == Algorithm::Direct {
            self.program.dispatches.push(deform_conv2d_direct::dispatch(&task, &sampling));
            return Ok(());
        }
        if algorithm == Algorithm::ImplicitGemm {
            self.program.dispatches.push(match self.caps.class {
                KernelClass::Cpu if deform_conv2d_subgroup::applies(self.caps) => {
                    deform_conv2d_subgroup::dispatch(&task, &sampling, self.caps)
                }
                _ => deform_conv2d_implicit_gemm::dispatch(&task, &sampling, self.caps),
            });
            return Ok(());
        }
        let columns = self.reserve(&[window.batch, window.c_in * window.kernel_len(), column_pitch(window)])?;
        self.deform_columns(window, &sampling, task.input, columns);
        self.weight_times_columns(&task, columns)
    }

    /// columns[n, (ci, t), o] = mask * sample
    pub fn deform_columns(&mut self, window: &Window, sampling: &Sampling, input: Slot, columns: Slot) {
        let mark = self.program.mark();
        let launched = match self.packed_for_sampling(window, sampling, input) {
            Some(packed) => deform_conv2d_im2col_vec4::dispatch(window, sampling, packed, columns),
            None => deform_conv2d_im2col::dispatch(window, sampling, self.caps.class, input, columns),
        };
        self.push(launched);
        self.program.release(mark);
    }

    /// A copy of the input that is sampled by vec4s, where a GPU has room for it and channels to fill them. Lies behind what is
    /// reserved so far and may be released as soon as it has been read, so it takes no room from anything later.
    pub fn packed_for_sampling(&mut self, window: &Window, sampling: &Sampling, input: Slot) -> Option<Slot> {
        if self.caps.class == KernelClass::Cpu {
            return None;
        }
        let shape = deform_conv2d_pack_input::shape(window, sampling)?;
        let bytes = shape.iter().fold(4_u64, |bytes, &n| bytes.saturating_mul(n as u64));
        let end = bytes.saturating_add(self.program.mark());
        let limits = [Some(self.caps.max_buffer_bytes), self.options.workspace_limit];
        let fits = |limit: &u64| end.next_multiple_of(WORKSPACE_ALIGNMENT) <= *limit;
        if bytes > self.caps.max_binding_bytes || !limits.iter().flatten().all(fits) {
            return None;
        }
        let packed = self.program.reserve(&shape)?;
        self.push(deform_conv2d_pack_input::dispatch(window, sampling, input, packed));
        Some(packed)
    }

    fn spatial_separable2d(&mut self, task: &ConvTask, algorithm: Algorithm) -> Applies {
        let weight_h = Operand::Tensor(TensorName::WeightH);
        if algorithm == Algorithm::Direct {
            self.program.dispatches.push(spatial_separable2d_direct::dispatch(task, weight_h));
            return Ok(());
        }
        let w = &task.window;
        let (vertical, horizontal) = separable_passes(w);
        let [_, middle_h, middle_w] = horizontal.input;
        let middle = self.reserve(&[w.batch, w.c_in, middle_h, middle_w])?;
        let vertical = ConvTask { window: vertical, sink: Sink::plain(middle, 0.0), ..task.clone() };
        let horizontal = ConvTask { window: horizontal, weight: weight_h, input: middle, ..task.clone() };
        self.program.dispatches.push(conv2d_depthwise::dispatch(&vertical, self.caps.class));
        self.program.dispatches.push(conv2d_depthwise::dispatch(&horizontal, self.caps.class));
        Ok(())
    }

    /// `depthwise` carries the epilogue and the output, which belong to the pointwise stage.
    fn depthwise_separable2d(&mut self, depthwise: ConvTask, c_out: usize, algorithm: Algorithm) -> Applies {
        let w = depthwise.window.clone();
        let middle = self.reserve(&[w.batch, w.c_out, w.output[1], w.output[2]])?;
        let pointwise = ConvTask {
            window: pointwise_window(&w, c_out),
            padding_mode: PaddingMode::Zeros,
            input: middle,
            weight: Operand::Tensor(TensorName::WeightPw),
            ..depthwise.clone()
        };
        let depthwise = ConvTask { sink: Sink::plain(middle, 0.0), ..depthwise };
        if algorithm == Algorithm::Direct {
            self.conv(&depthwise, Algorithm::Direct)?;
            return self.conv(&pointwise, Algorithm::Direct);
        }
        self.conv(&depthwise, Algorithm::Depthwise)?;
        self.conv(&pointwise, Algorithm::PointwiseGemm)
    }

    fn pool(&mut self, p: &Pool, window: &Window, algorithm: Algorithm) -> Applies {
        let (input, output) = (self.slot(TensorName::Input), self.slot(TensorName::Output));
        let indices = matches!(p.mode, PoolMode::Max { indices: true, .. }).then(|| self.slot(TensorName::Indices));
        let window = &window.within_padding();
        let dispatch = if algorithm == Algorithm::TreeReduce {
            pool_reduce::applies(window)?;
            pool_reduce::dispatch(window, p.mode, self.caps.max_invocations_per_workgroup, input, output, indices)
        } else {
            match p.mode {
                PoolMode::Max { pad_value, .. } => {
                    max_pool::dispatch(window, pad_value, input, output, indices, self.caps.class)
                }
                PoolMode::Average { count_include_pad, divisor_override } => avg_pool::dispatch(
                    window,
                    count_include_pad,
                    divisor_override.unwrap_or(0),
                    [input, output],
                    self.caps.class,
                ),
                PoolMode::Lp { p } => lp_pool::dispatch(window, p, input, output),
            }
        };
        self.program.dispatches.push(dispatch);
        Ok(())
    }

    fn shuffle(&mut self, dispatch: impl Fn([&TensorSpec; 2], Slot, Slot) -> Dispatch) -> Applies {
        let tensors = self.geometry.tensors();
        let [input, output] = tensors else { return Err("a shuffle has two tensors".into()) };
        let launched = dispatch([input, output], self.slot(TensorName::Input), self.slot(TensorName::Output));
        self.program.dispatches.push(launched);
        Ok(())
    }
}

/// The two passes of a spatially separable convolution: down the columns, then along the rows.
pub(super) fn separable_passes(w: &Window) -> (Window, Window) {
    let only = |values: [usize; 3], axis: usize, fill: usize| {
        let mut out = [fill; 3];
        out[axis] = values[axis];
        out
    };
    let pass = |axis: usize, input: [usize; 3], output: [usize; 3]| Window {
        input,
        kernel: only(w.kernel, axis, 1),
        stride: only(w.stride, axis, 1),
        dilation: only(w.dilation, axis, 1),
        pad_begin: only(w.pad_begin, axis, 0),
        pad_end: only(w.pad_end, axis, 0),
        output,
        ..w.clone()
    };
    let middle = [1, w.output[1], w.input[2]];
    (pass(1, w.input, middle), pass(2, middle, w.output))
}

/// The 1x1 convolution that follows a depthwise one.
pub(super) fn pointwise_window(depthwise: &Window, c_out: usize) -> Window {
    Window {
        c_in: depthwise.c_out,
        c_out,
        groups: 1,
        input: depthwise.output,
        kernel: [1; 3],
        stride: [1; 3],
        dilation: [1; 3],
        pad_begin: [0; 3],
        pad_end: [0; 3],
        ..depthwise.clone()
    }
}

/// A transposed convolution as the plain one that it is at stride 1: with the kernel turned, over the input padded by what the
/// window reaches beyond it. Where groups have several channels, the weight stays weight[ci,co,k].
fn turned(task: &ConvTask) -> Option<ConvTask> {
    let w = &task.window;
    if w.stride != [1; 3] {
        return None;
    }
    let mut window = w.clone();
    for axis in 0..3 {
        let reach = w.dilation[axis] * (w.kernel[axis] - 1);
        window.pad_begin[axis] = reach.checked_sub(w.pad_begin[axis])?;
        window.pad_end[axis] = (w.output[axis] + reach).checked_sub(w.input[axis] + window.pad_begin[axis])?;
    }
    Some(ConvTask { window, flip_kernel: !task.flip_kernel, ..task.clone() })
}

/// Length of a row of columns in the workspace: every row starts at a multiple of four elements.
pub(super) fn column_pitch(w: &Window) -> usize {
    w.output_len().next_multiple_of(4)
}

/// Batch, group, row and column strides of the columns of a window.
fn column_strides(w: &Window) -> [usize; 4] {
    let (rows, pitch) = (w.c_in_per_group() * w.kernel_len(), column_pitch(w));
    [w.groups * rows * pitch, rows * pitch, pitch, 1]
}

/// The pointwise convolution of columns that makes the output of their window.
fn over_columns(task: &ConvTask, columns: Slot) -> ConvTask {
    let w = &task.window;
    let [_, height, width] = w.output.map(|extent| extent as u32);
    let [n, _, c, w_stride] = column_strides(w).map(|stride| stride as u32);
    let view = View { n, c, d: height * width, h: width, w: w_stride, ..View::default() };
    let window = Window {
        c_in: w.c_in * w.kernel_len(),
        input: w.output,
        kernel: [1; 3],
        stride: [1; 3],
        dilation: [1; 3],
        pad_begin: [0; 3],
        pad_end: [0; 3],
        ..w.clone()
    };
    let input = Slot { view: View { base: columns.view.base, ..view }, ..columns };
    ConvTask { window, input, padding_mode: PaddingMode::Zeros, flip_kernel: false, ..task.clone() }
}

/// output = weight (c_out/groups x c_in/groups·∏kernel) times b.
fn weight_times(task: &ConvTask, b: Slot, b_strides: [usize; 4]) -> GemmTask {
    let w = &task.window;
    let k = w.c_in_per_group() * w.kernel_len();
    GemmTask {
        batch: w.batch,
        groups: w.groups,
        m: w.c_out_per_group(),
        n: w.output_len(),
        k,
        a: Slot { operand: task.weight, ..Slot::UNUSED },
        a_strides: [0, w.c_out_per_group() * k, k, 1],
        b,
        b_strides,
        output_size: w.output,
        split_k: None,
        sink: task.sink,
    }
}
