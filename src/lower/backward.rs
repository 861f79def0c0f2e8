//! Lowering of backward passes.

use crate::algorithm::Algorithm;
use crate::capabilities::KernelClass;
use crate::geometry::{Geometry, Window};
use crate::kernels::lane_tile::LaneProduct;
use crate::kernels::task::{ConvTask, GemmTask, Sink, Slot, SplitSum};
use crate::kernels::{
    activation_grad, avg_pool_grad_input, col2im, conv_grad_weight, conv_grad_weight_subgroup,
    conv_implicit_grad_weight, conv2d_depthwise, conv2d_depthwise_grad_weight, depth_to_space, grad_bias, im2col,
    locally_connected2d_grad_input, locally_connected2d_grad_weight, lp_pool, lp_pool_grad_input, max_pool,
    max_pool_grad_input, padding_grad, space_to_depth, sum_slices,
};
use crate::lower::{Applies, Lowering, pointwise_window, separable_passes};
use crate::preference::preferences;
use crate::problem::{Activation, DepthwiseSeparable2d, Gradient, PaddingMode, Pool, PoolMode, Problem};
use crate::program::{Dispatch, Operand, View};
use crate::tensor::{Layout, TensorName};

/// A convolution that is differentiated: it slides over its input, whatever the operation calls it.
struct Layer {
    window: Window,
    padding_mode: PaddingMode,
    flip_kernel: bool,
    weight: Operand,
}

/// The tensors of a layer's backward pass.
#[derive(Clone, Copy)]
struct Flow {
    /// What the layer slides over.
    input: Slot,
    /// Gradient of what it yields.
    grad_output: Slot,
    /// Where the gradients go, those that are wanted.
    grad_input: Option<Slot>,
    grad_weight: Option<Slot>,
}

/// A product as small as this is summed by one workgroup for each weight: it would not fill the tiles of a GEMM, or not a
/// sixteenth of one whose columns cost nothing.
const SMALL_WEIGHT: usize = 1024;
const SMALL_TILE: usize = 256;
/// Shortest slice of a sum that is worth a partial result.
const SHORTEST_SLICE: usize = 256;

impl Lowering<'_> {
    pub(crate) fn gradient(&mut self, p: &Gradient, algorithm: Algorithm) -> Applies {
        let forward = Geometry::new(&p.of).map_err(|error| error.to_string())?;
        let yields = output_window(&forward);
        let grad = self.grad_before_activation(p, &forward, &yields, algorithm)?;
        if p.wants(TensorName::Residual) {
            let to = self.slot(TensorName::GradResidual);
            self.push(activation_grad::dispatch(&yields, Activation::Identity, None, grad, to, p.beta));
        }
        if p.wants(TensorName::Bias) {
            self.grad_bias(p, &yields, grad);
        }
        if let Some(window) = forward.window() {
            self.windowed(p, window, grad, algorithm)
        } else {
            self.shuffled(p, &forward, grad)
        }
    }

    /// `grad_output · activation'(pre)`, where the output before the activation is recomputed.
    fn grad_before_activation(
        &mut self,
        p: &Gradient,
        forward: &Geometry,
        yields: &Window,
        algorithm: Algorithm,
    ) -> std::result::Result<Slot, String> {
        let grad_output = self.slot(TensorName::GradOutput);
        let activation = p.of.epilogue().map_or(Activation::Identity, |epilogue| epilogue.activation);
        if activation == Activation::Identity {
            return Ok(grad_output);
        }
        let grad = self.reserve(forward.output_shape())?;
        let mark = self.program.mark();
        let pre = self.reserve(forward.output_shape())?;
        self.forward_into(&p.of.before_activation(), algorithm == Algorithm::Direct, pre)?;
        self.push(activation_grad::dispatch(yields, activation, Some(pre), grad_output, grad, 0.0));
        self.program.release(mark);
        Ok(grad)
    }

    /// Computes a forward operation on this pass's tensors into the workspace.
    fn forward_into(&mut self, problem: &Problem, direct: bool, output: Slot) -> Applies {
        let geometry = Geometry::new(problem).map_err(|error| error.to_string())?;
        let mut refusal = String::new();
        for (algorithm, _) in preferences(&geometry, self.caps, self.options) {
            if direct && algorithm != Algorithm::Direct {
                continue;
            }
            let mut nested =
                Lowering { geometry: &geometry, output: Some(output), program: self.program.clone(), ..*self };
            match nested.problem(algorithm) {
                Ok(()) => {
                    self.program = nested.program;
                    return Ok(());
                }
                Err(reason) => refusal = reason,
            }
        }
        Err(refusal)
    }

    fn grad_bias(&mut self, p: &Gradient, yields: &Window, grad: Slot) {
        let to = self.slot(TensorName::GradBias);
        if matches!(&*p.of, Problem::LocallyConnected2d(_)) {
            let [_, h, w] = yields.output;
            let view = View::new(&Layout::contiguous(&[1, yields.c_out, h, w]));
            let to = Slot { view, ..to };
            self.push(sum_slices::dispatch(yields.batch, yields.c_out, yields.output, grad, to, p.beta));
        } else {
            self.push(grad_bias::dispatch(yields, grad, to, p.beta, self.caps));
        }
    }

    fn windowed(&mut self, p: &Gradient, window: &Window, grad: Slot, algorithm: Algorithm) -> Applies {
        let flow = self.flow(p, grad, TensorName::Weight);
        let weight = Operand::Tensor(TensorName::Weight);
        let layer = |window: &Window, padding_mode, flip_kernel| Layer {
            window: window.clone(),
            padding_mode,
            flip_kernel,
            weight,
        };
        match &*p.of {
            Problem::Conv(c) => self.layer(&layer(window, c.padding_mode, c.flip_kernel), &flow, p.beta, algorithm),
            Problem::ConvTranspose(c) => self.transposed_layer(
                &layer(&adjoint(window), PaddingMode::Zeros, c.flip_kernel),
                &flow,
                p.beta,
                algorithm,
            ),
            Problem::LocallyConnected2d(_) => {
                if let Some(to) = flow.grad_input {
                    self.push(locally_connected2d_grad_input::dispatch(window, weight, grad, to, p.beta));
                }
                if let Some(to) = flow.grad_weight {
                    self.push(locally_connected2d_grad_weight::dispatch(window, [flow.input, grad, to], p.beta));
                }
                Ok(())
            }
            Problem::SpatialSeparable2d(c) => {
                self.spatial_separable_gradient(p, &layer(window, c.padding_mode, false), grad, algorithm)
            }
            Problem::DepthwiseSeparable2d(c) => self.depthwise_separable_gradient(p, c, window, grad, algorithm),
            Problem::DeformConv2d(c) => self.deform_gradient(p, c, window, grad, algorithm),
            Problem::Pool(c) => self.pool_gradient(p, c, window, grad),
            Problem::Im2col(_) => {
                let to = self.slot(TensorName::GradInput);
                if p.wants(TensorName::Input) {
                    self.push(col2im::dispatch(window, false, grad, &Sink::plain(to, p.beta)));
                }
                Ok(())
            }
            Problem::Col2im(_) => {
                let to = self.slot(TensorName::GradInput);
                if p.wants(TensorName::Input) {
                    self.push(im2col::dispatch(window, PaddingMode::Zeros, false, grad, to, p.beta));
                }
                Ok(())
            }
            _ => Err("the operation has no window".into()),
        }
    }

    /// The slots of a plain layer.
    fn flow(&self, p: &Gradient, grad_output: Slot, weight: TensorName) -> Flow {
        let wanted = |name: TensorName| Some(self.slot(name.gradient()?)).filter(|_| p.wants(name));
        Flow {
            input: self.slot(TensorName::Input),
            grad_output,
            grad_input: wanted(TensorName::Input),
            grad_weight: wanted(weight),
        }
    }

    fn layer(&mut self, layer: &Layer, flow: &Flow, beta: f32, algorithm: Algorithm) -> Applies {
        check_stage(layer, flow, algorithm)?;
        if let Some(to) = flow.grad_input {
            self.grad_input(layer, flow.grad_output, to, beta, algorithm)?;
        }
        if let Some(to) = flow.grad_weight {
            self.grad_weight(layer, [flow.input, flow.grad_output, to], beta, algorithm)?;
        }
        Ok(())
    }

    /// `layer` is the convolution whose adjoint was computed: it slides over the output.
    fn transposed_layer(&mut self, layer: &Layer, flow: &Flow, beta: f32, algorithm: Algorithm) -> Applies {
        check_stage(layer, flow, algorithm)?;
        if let Some(to) = flow.grad_input {
            let task = ConvTask {
                window: layer.window.clone(),
                padding_mode: PaddingMode::Zeros,
                flip_kernel: layer.flip_kernel,
                input: flow.grad_output,
                weight: layer.weight,
                sink: Sink::plain(to, beta),
            };
            self.conv(&task, algorithm)?;
        }
        if let Some(to) = flow.grad_weight {
            self.grad_weight(layer, [flow.grad_output, flow.input, to], beta, algorithm)?;
        }
        Ok(())
    }

    /// The adjoint of a convolution: a transposed one, of the padded image where padding reads the image itself.
    fn grad_input(&mut self, layer: &Layer, grad: Slot, to: Slot, beta: f32, algorithm: Algorithm) -> Applies {
        let w = &layer.window;
        let padded = (w.pad_begin, w.pad_end) != ([0; 3], [0; 3]);
        let mut task = ConvTask {
            window: adjoint(w),
            padding_mode: PaddingMode::Zeros,
            flip_kernel: layer.flip_kernel,
            input: grad,
            weight: layer.weight,
            sink: Sink::plain(to, beta),
        };
        if layer.padding_mode == PaddingMode::Zeros || !padded {
            return self.transposed(&task, algorithm);
        }
        let extents = [0, 1, 2].map(|axis| w.pad_begin[axis] + w.input[axis] + w.pad_end[axis]);
        let mark = self.program.mark();
        let image = self.reserve(&[w.batch, w.c_in, extents[0], extents[1], extents[2]])?;
        task.window = Window { output: extents, pad_begin: [0; 3], pad_end: [0; 3], ..task.window };
        task.sink = Sink::plain(image, 0.0);
        self.transposed(&task, algorithm)?;
        self.push(padding_grad::dispatch(w, layer.padding_mode, image, to, beta));
        self.program.release(mark);
        Ok(())
    }

    /// The correlation of the layer's input with the gradient of its output, `[input, grad_output, grad_weight]`.
    fn grad_weight(&mut self, layer: &Layer, slots: [Slot; 3], beta: f32, algorithm: Algorithm) -> Applies {
        let w = &layer.window;
        if algorithm == Algorithm::Depthwise && conv2d_depthwise_grad_weight::applies(w).is_ok() {
            return self.depthwise_grad_weight(layer, slots, beta);
        }
        let gathers = self.caps.class == KernelClass::Gpu && algorithm != Algorithm::SplitKGemm;
        let n_weights = w.c_out_per_group() * w.c_in_per_group() * w.kernel_len();
        if algorithm == Algorithm::Direct || (gathers && n_weights < SMALL_TILE) {
            return self.direct_grad_weight(layer, slots, beta);
        }
        if gathers || algorithm == Algorithm::ImplicitGemm {
            let split_k = conv_implicit_grad_weight::split_k(w, self.caps);
            return self.in_slices(w, slots[2], beta, split_k.count, |to, beta| {
                let slots = [slots[0], slots[1], to];
                conv_implicit_grad_weight::dispatch(w, layer.padding_mode, layer.flip_kernel, slots, beta, &split_k)
            });
        }
        if self.broadcasts() {
            let flat = |slot: &Slot| slot.view.flat_stride(w.output).is_some();
            if w.is_pointwise() && slots[..2].iter().all(flat) {
                return self.split_k(layer, slots, beta);
            }
            let (_, count) = conv_grad_weight_subgroup::slices(w);
            let caps = self.caps;
            return self.in_slices(w, slots[2], beta, count, |to, beta| {
                let slots = [slots[0], slots[1], to];
                conv_grad_weight_subgroup::dispatch(w, layer.padding_mode, layer.flip_kernel, slots, beta, caps)
            });
        }
        if n_weights < SMALL_WEIGHT && algorithm != Algorithm::SplitKGemm {
            return self.direct_grad_weight(layer, slots, beta);
        }
        self.split_k(layer, slots, beta)
    }

    fn direct_grad_weight(&mut self, layer: &Layer, slots: [Slot; 3], beta: f32) -> Applies {
        let Layer { window: w, padding_mode, flip_kernel, .. } = layer;
        let most = self.caps.max_invocations_per_workgroup;
        self.push(conv_grad_weight::dispatch(w, *padding_mode, *flip_kernel, slots, beta, most));
        Ok(())
    }

    /// A dispatch that writes `count` slices of a layer's weight, and their sum in a fixed order where there are several.
    fn in_slices(
        &mut self,
        w: &Window,
        to: Slot,
        beta: f32,
        count: usize,
        dispatch: impl Fn(Slot, f32) -> Dispatch,
    ) -> Applies {
        if count == 1 {
            self.push(dispatch(to, beta));
            return Ok(());
        }
        let mark = self.program.mark();
        let n = w.c_in_per_group() * w.kernel_len();
        let partial = self.reserve(&[count, w.c_out, n])?;
        self.push(dispatch(partial, 0.0));
        let dense = Slot { view: View { c: n as u32, w: 1, ..View::default() }, ..to };
        self.push(sum_slices::dispatch(count, w.c_out, [1, 1, n], partial, dense, beta));
        self.program.release(mark);
        Ok(())
    }

    /// Channel by channel; few channels are cut into slices that are added in a fixed order.
    fn depthwise_grad_weight(&mut self, layer: &Layer, [input, grad, to]: [Slot; 3], beta: f32) -> Applies {
        let Layer { window: w, padding_mode, flip_kernel, .. } = layer;
        let class = self.caps.class;
        let (_, count) = conv2d_depthwise_grad_weight::slices(w, class);
        self.in_slices(w, to, beta, count, |to, beta| {
            conv2d_depthwise_grad_weight::dispatch(w, *padding_mode, *flip_kernel, [input, grad, to], beta, class)
        })
    }

    /// grad_weight = grad_output (c_out/groups x images·positions) times columns (images·positions x c_in/groups·∏kernel),
    /// the sum cut into slices that are added in a fixed order.
    fn split_k(&mut self, layer: &Layer, [input, grad, to]: [Slot; 3], beta: f32) -> Applies {
        let mark = self.program.mark();
        let w = &layer.window;
        let rows = w.c_in_per_group() * w.kernel_len();
        let (b, b_strides, b_run) = match input.view.flat_stride(w.input) {
            // Without broadcasts a CPU adapter prefers rows that it can read four at a time.
            Some(pixel) if w.is_pointwise() && (self.caps.class == KernelClass::Gpu || self.broadcasts()) => {
                let View { n, c, .. } = input.view;
                (input, [0, c as usize * rows, pixel as usize, c as usize], n as usize)
            }
            _ => {
                let columns = self.position_major_columns(w)?;
                self.push(im2col::dispatch(w, layer.padding_mode, layer.flip_kernel, input, columns, 0.0));
                (columns, [0, rows, columns.view.w as usize, 1], columns.view.n as usize)
            }
        };
        self.sliced_product(w, grad, b, b_strides, b_run, to, beta)?;
        self.program.release(mark);
        Ok(())
    }

    /// The GEMM of [`Lowering::split_k`] on columns that are there already.
    #[expect(clippy::too_many_arguments, reason = "the operands of a product, each with its strides")]
    pub(crate) fn sliced_product(
        &mut self,
        w: &Window,
        grad: Slot,
        b: Slot,
        b_strides: [usize; 4],
        b_run: usize,
        to: Slot,
        beta: f32,
    ) -> Applies {
        let Some(grad_pixel) = grad.view.flat_stride(w.output) else {
            return Err("the pixels of the output's gradient are not evenly spaced".into());
        };
        let (m, n) = (w.c_out_per_group(), w.c_in_per_group() * w.kernel_len());
        let (run, k) = (w.output_len(), w.batch * w.output_len());
        // Enough workgroups to fill the device.
        let tiles_of = |rows: usize, columns: usize| w.groups * m.div_ceil(rows) * n.div_ceil(columns);
        let (tiles, enough) = match self.caps.class {
            KernelClass::Gpu => (tiles_of(64, 64), 512),
            KernelClass::Cpu if self.broadcasts() => {
                let product = LaneProduct::matrix(w.groups, m, n, k);
                (product.workgroups(product.tile()) as usize, 64)
            }
            KernelClass::Cpu => (tiles_of(8, 64), 64),
        };
        let wanted = (enough / tiles).clamp(1, k.div_ceil(SHORTEST_SLICE));
        let slice = k.div_ceil(wanted).next_multiple_of(16);
        let count = k.div_ceil(slice);
        let dense = Slot { view: View { c: n as u32, w: 1, ..View::default() }, ..to };
        let (output, first_beta) = if count == 1 { (dense, beta) } else { (self.reserve(&[count, w.c_out, n])?, 0.0) };
        self.gemm(&GemmTask {
            batch: count,
            groups: w.groups,
            m,
            n,
            k,
            a: grad,
            a_strides: [0, grad.view.c as usize * m, grad.view.c as usize, grad_pixel as usize],
            b,
            b_strides,
            output_size: [1, 1, n],
            split_k: Some(SplitSum { slice, run, run_strides: [grad.view.n as usize, b_run] }),
            sink: Sink::plain(output, first_beta),
        });
        if count > 1 {
            self.push(sum_slices::dispatch(count, w.c_out, [1, 1, n], output, dense, beta));
        }
        Ok(())
    }

    fn spatial_separable_gradient(&mut self, p: &Gradient, whole: &Layer, grad: Slot, algorithm: Algorithm) -> Applies {
        let stage = |window: Window, weight| Layer {
            window,
            padding_mode: whole.padding_mode,
            flip_kernel: false,
            weight: Operand::Tensor(weight),
        };
        let (vertical, horizontal) = separable_passes(&whole.window);
        let vertical = stage(vertical, TensorName::WeightV);
        let horizontal = stage(horizontal, TensorName::WeightH);
        let [_, h, w] = horizontal.window.input;
        let middle_shape = [whole.window.batch, whole.window.c_in, h, w];
        let input = self.slot(TensorName::Input);
        let algorithm = if algorithm == Algorithm::TwoPass { Algorithm::Depthwise } else { Algorithm::Direct };
        if p.wants(TensorName::WeightH) {
            let mark = self.program.mark();
            let middle = self.reserve(&middle_shape)?;
            let task = self.stage_task(&vertical, input, middle);
            self.push(conv2d_depthwise::dispatch(&task, self.caps.class));
            let to = self.slot(TensorName::GradWeightH);
            self.grad_weight(&horizontal, [middle, grad, to], p.beta, algorithm)?;
            self.program.release(mark);
        }
        if p.wants(TensorName::WeightV) || p.wants(TensorName::Input) {
            let grad_middle = self.reserve(&middle_shape)?;
            self.grad_input(&horizontal, grad, grad_middle, 0.0, algorithm)?;
            self.last_stage(p, &vertical, [input, grad_middle], TensorName::WeightV, algorithm)?;
        }
        Ok(())
    }

    fn depthwise_separable_gradient(
        &mut self,
        p: &Gradient,
        c: &DepthwiseSeparable2d,
        window: &Window,
        grad: Slot,
        algorithm: Algorithm,
    ) -> Applies {
        let depthwise = Layer {
            window: window.clone(),
            padding_mode: c.padding_mode,
            flip_kernel: false,
            weight: Operand::Tensor(TensorName::WeightDw),
        };
        let pointwise = Layer {
            window: pointwise_window(window, c.c_out),
            padding_mode: PaddingMode::Zeros,
            flip_kernel: false,
            weight: Operand::Tensor(TensorName::WeightPw),
        };
        let [_, h, w] = window.output;
        let middle_shape = [window.batch, window.c_out, h, w];
        let input = self.slot(TensorName::Input);
        let fast = algorithm != Algorithm::Direct;
        if p.wants(TensorName::WeightPw) {
            let mark = self.program.mark();
            let middle = self.reserve(&middle_shape)?;
            let task = self.stage_task(&depthwise, input, middle);
            self.conv(&task, if fast { Algorithm::Depthwise } else { Algorithm::Direct })?;
            let to = self.slot(TensorName::GradWeightPw);
            let by = if fast { Algorithm::GemmCol2im } else { Algorithm::Direct };
            self.grad_weight(&pointwise, [middle, grad, to], p.beta, by)?;
            self.program.release(mark);
        }
        if p.wants(TensorName::WeightDw) || p.wants(TensorName::Input) {
            let grad_middle = self.reserve(&middle_shape)?;
            let by = if fast { Algorithm::GemmCol2im } else { Algorithm::Direct };
            self.grad_input(&pointwise, grad, grad_middle, 0.0, by)?;
            let by = if fast { Algorithm::Depthwise } else { Algorithm::Direct };
            self.last_stage(p, &depthwise, [input, grad_middle], TensorName::WeightDw, by)?;
        }
        Ok(())
    }

    /// The gradients of the stage that reads the input of the operation.
    fn last_stage(
        &mut self,
        p: &Gradient,
        layer: &Layer,
        [input, grad]: [Slot; 2],
        weight: TensorName,
        algorithm: Algorithm,
    ) -> Applies {
        if let Some(to) = weight.gradient().filter(|_| p.wants(weight)) {
            let to = self.slot(to);
            self.grad_weight(layer, [input, grad, to], p.beta, algorithm)?;
        }
        if p.wants(TensorName::Input) {
            let to = self.slot(TensorName::GradInput);
            // Phases do not exist where the stride exceeds the image; the gather always does.
            let mark = self.program.clone();
            if self.grad_input(layer, grad, to, p.beta, algorithm).is_err() {
                self.program = mark;
                self.grad_input(layer, grad, to, p.beta, Algorithm::Direct)?;
            }
        }
        Ok(())
    }

    /// The forward convolution of a stage, without an epilogue.
    fn stage_task(&self, layer: &Layer, input: Slot, output: Slot) -> ConvTask {
        ConvTask {
            window: layer.window.clone(),
            padding_mode: layer.padding_mode,
            flip_kernel: layer.flip_kernel,
            input,
            weight: layer.weight,
            sink: Sink::plain(output, 0.0),
        }
    }

    fn pool_gradient(&mut self, p: &Gradient, pool: &Pool, window: &Window, grad: Slot) -> Applies {
        let (input, to) = (self.slot(TensorName::Input), self.slot(TensorName::GradInput));
        let [d, h, w] = window.output;
        let shape = [window.batch, window.c_out, d, h, w];
        let window = &window.within_padding();
        match pool.mode {
            PoolMode::Max { pad_value, .. } => {
                let indices = self.reserve(&shape)?;
                let output = self.reserve(&shape)?;
                self.push(max_pool::dispatch(window, pad_value, input, output, Some(indices), self.caps.class));
                self.push(max_pool_grad_input::dispatch(window, indices, grad, to, p.beta, self.caps.class));
            }
            PoolMode::Average { count_include_pad, divisor_override } => {
                let divisor = divisor_override.unwrap_or(0);
                self.push(avg_pool_grad_input::dispatch(
                    window,
                    count_include_pad,
                    divisor,
                    grad,
                    to,
                    p.beta,
                    self.caps.class,
                ));
            }
            PoolMode::Lp { p: exponent } => {
                let norms = self.reserve(&shape)?;
                self.push(lp_pool::dispatch(window, exponent, input, norms));
                self.push(lp_pool_grad_input::dispatch(
                    window,
                    exponent,
                    [input, norms, grad, to],
                    p.beta,
                    self.caps.class,
                ));
            }
        }
        Ok(())
    }

    /// A shuffle's gradient is the opposite shuffle.
    fn shuffled(&mut self, p: &Gradient, forward: &Geometry, grad: Slot) -> Applies {
        let [input, output] = forward.tensors() else { return Err("a shuffle has two tensors".into()) };
        let to = self.slot(TensorName::GradInput);
        let dispatch = match &*p.of {
            Problem::DepthToSpace(c) => space_to_depth::dispatch(c.block, c.order, [output, input], grad, to, p.beta),
            Problem::SpaceToDepth(c) => depth_to_space::dispatch(c.block, c.order, [output, input], grad, to, p.beta),
            _ => return Err("the operation needs a window".into()),
        };
        self.push(dispatch);
        Ok(())
    }
}

/// A fast rung of one gradient applies where that gradient is wanted.
fn check_stage(layer: &Layer, flow: &Flow, algorithm: Algorithm) -> Applies {
    match (algorithm, flow.grad_input, flow.grad_weight) {
        (Algorithm::Depthwise, None, Some(_)) => conv2d_depthwise_grad_weight::applies(&layer.window),
        (Algorithm::SplitKGemm, Some(_), _) => Err("it serves grad_weight where grad_input is not wanted".into()),
        (Algorithm::SplitKGemm, _, None) => Err("grad_weight is not wanted".into()),
        (Algorithm::Direct | Algorithm::SplitKGemm, ..) => Ok(()),
        (Algorithm::ImplicitGemm, None, Some(_)) => Ok(()),
        (_, None, _) => Err("grad_input is not wanted".into()),
        _ => Ok(()),
    }
}

/// The window of the adjoint: input and output change places.
fn adjoint(w: &Window) -> Window {
    Window { c_in: w.c_out, c_out: w.c_in, input: w.output, output: w.input, ..w.clone() }
}

/// What an operation yields, as the output of a window.
fn output_window(forward: &Geometry) -> Window {
    let shape = forward.output_shape();
    let mut output = [1; 3];
    for (axis, &extent) in shape.iter().skip(2).rev().enumerate() {
        output[2 - axis] = extent;
    }
    Window {
        batch: shape[0],
        c_in: shape[1],
        c_out: shape[1],
        groups: 1,
        input: output,
        kernel: [1; 3],
        stride: [1; 3],
        dilation: [1; 3],
        pad_begin: [0; 3],
        pad_end: [0; 3],
        output,
    }
}
