//! Every `#[repr(C)]` uniform. A static test compares each field's offset with naga's.

use bytemuck::{Pod, Zeroable};

use crate::geometry::{Window, gcd};
use crate::problem::{Activation, Epilogue};
use crate::tensor::{Layout, TensorSpec};

/// Where a tensor's elements lie in its binding, as N C D H W strides; axes that it lacks have stride 0.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct View {
    /// First element.
    pub base: u32,
    /// Stride of images.
    pub n: u32,
    /// Stride of channels.
    pub c: u32,
    /// Stride of depth.
    pub d: u32,
    /// Stride of rows.
    pub h: u32,
    /// Stride of columns.
    pub w: u32,
    /// Fills the struct to 32 bytes.
    pub reserved0: u32,
    /// Fills the struct, too.
    pub reserved1: u32,
}

impl View {
    /// Of a tensor with axes N C spatial. The layout was checked, so its strides fit.
    pub fn new(layout: &Layout) -> Self {
        let mut axes = [0_u32; 5];
        for (axis, &stride) in layout.strides.iter().take(2).enumerate() {
            axes[axis] = stride as u32;
        }
        // Spatial axes align at the innermost one.
        for (axis, &stride) in layout.strides.iter().skip(2).rev().take(3).enumerate() {
            axes[4 - axis] = stride as u32;
        }
        let [n, c, d, h, w] = axes;
        View { base: layout.offset as u32, n, c, d, h, w, ..View::default() }
    }

    /// The stride of the spatial axes taken as one, if there is one.
    pub fn flat_stride(&self, size: [usize; 3]) -> Option<u32> {
        let (mut stride, mut extent) = (None, 1);
        for (axis_stride, axis_extent) in [(self.w, size[2]), (self.h, size[1]), (self.d, size[0])] {
            if axis_extent == 1 {
                continue;
            }
            match stride {
                None => stride = Some(axis_stride),
                Some(flat) if u64::from(axis_stride) == u64::from(flat) * extent => {}
                Some(_) => return None,
            }
            extent *= axis_extent as u64;
        }
        Some(stride.unwrap_or(1))
    }

    /// Whether the outputs of a window lie without gaps, in the order in which they are counted.
    pub fn is_dense(&self, window: &Window) -> bool {
        let (len, channels) = (window.output_len(), window.c_out);
        (len == 1 || self.flat_stride(window.output) == Some(1))
            && (channels == 1 || self.c as usize == len)
            && (window.batch == 1 || self.n as usize == channels * len)
    }
}

/// The uniform of every windowed kernel: `shaders/lib/window_params.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Pod, Zeroable)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct WindowParams {
    /// Of the input.
    pub input: View,
    /// Of the output.
    pub output: View,
    /// Of the residual.
    pub residual: View,
    /// Of the sampling offsets.
    pub offset: View,
    /// Of the modulation.
    pub mask: View,
    /// Of the indices of maxima.
    pub indices: View,
    /// Of the output's gradient.
    pub grad_output: View,
    /// Of the input's gradient.
    pub grad_input: View,
    /// Of the offsets' gradient.
    pub grad_offset: View,
    /// Of the modulation's gradient.
    pub grad_mask: View,
    /// Of what windows read, a column a window: (c_in·taps, positions) of every image.
    pub columns: View,
    /// Of the columns' gradient.
    pub grad_columns: View,
    /// Of Winograd's filters, patches or products: `n` is the stride of points, `c` of channels; of filters `w` is the stride
    /// of input channels, `d` of groups.
    pub points: View,
    /// Input extents `[d, h, w]`.
    pub input_size: [u32; 3],
    /// Images.
    pub batch: u32,
    /// Output extents.
    pub output_size: [u32; 3],
    /// Input channels.
    pub c_in: u32,
    /// Kernel extents.
    pub kernel_size: [u32; 3],
    /// Output channels.
    pub c_out: u32,
    /// Step of the window.
    pub stride: [u32; 3],
    /// Channel groups.
    pub groups: u32,
    /// Distance of taps.
    pub dilation: [u32; 3],
    /// Channel groups of offset and mask.
    pub offset_groups: u32,
    /// Padding before the first element.
    pub pad_begin: [u32; 3],
    /// Case of `activate`.
    pub activation: u32,
    /// Padding after the last element.
    pub pad_end: [u32; 3],
    /// 1 when a bias is added.
    pub has_bias: u32,
    /// 1 when a residual is added.
    pub has_residual: u32,
    /// Of the leaky relu.
    #[cfg_attr(feature = "serde", serde(with = "super::unchecked::real"))]
    pub slope: f32,
    /// What max pooling takes for padding.
    #[cfg_attr(feature = "serde", serde(with = "super::unchecked::real"))]
    pub pad_value: f32,
    /// Of lp pooling.
    #[cfg_attr(feature = "serde", serde(with = "super::unchecked::real"))]
    pub exponent: f32,
    /// Of a shuffle.
    pub block: u32,
    /// Of average pooling; 0 where the taps are counted.
    pub divisor: u32,
    /// How many partial sums an output has.
    pub slices: u32,
    /// Length of the part of a sum that one of them takes: in products, items or panels of the kernel.
    pub slice: u32,
    /// Factor of what the result's buffer held before.
    #[cfg_attr(feature = "serde", serde(with = "super::unchecked::real"))]
    pub beta: f32,
    /// Distance of the taps that one output of a transposed window sees, along the depth: stride / gcd(stride, dilation).
    pub tap_step_d: u32,
    /// Along the rows.
    pub tap_step_h: u32,
    /// Along the columns.
    pub tap_step_w: u32,
}

impl WindowParams {
    /// The window's part; views, epilogue and extras are the launcher's.
    pub fn new(window: &Window) -> Self {
        let axes = |values: [usize; 3]| values.map(|v| v as u32);
        let step = |axis: usize| (window.stride[axis] / gcd(window.stride[axis], window.dilation[axis])) as u32;
        WindowParams {
            input_size: axes(window.input),
            batch: window.batch as u32,
            output_size: axes(window.output),
            c_in: window.c_in as u32,
            kernel_size: axes(window.kernel),
            c_out: window.c_out as u32,
            stride: axes(window.stride),
            groups: window.groups as u32,
            dilation: axes(window.dilation),
            pad_begin: axes(window.pad_begin),
            pad_end: axes(window.pad_end),
            tap_step_d: step(0),
            tap_step_h: step(1),
            tap_step_w: step(2),
            ..WindowParams::default()
        }
    }

    /// Of a shuffle between the two tensors `[input, output]`, which have axes N C H W.
    pub fn shuffle(block: usize, [input, output]: [&TensorSpec; 2], input_view: View, output_view: View) -> Self {
        let plane = |spec: &TensorSpec| [1, spec.shape[2] as u32, spec.shape[3] as u32];
        WindowParams {
            input: input_view,
            output: output_view,
            input_size: plane(input),
            batch: input.shape[0] as u32,
            output_size: plane(output),
            c_in: input.shape[1] as u32,
            c_out: output.shape[1] as u32,
            groups: 1,
            block: block as u32,
            ..WindowParams::default()
        }
    }

    /// Sets activation, bias and residual.
    pub fn with_epilogue(mut self, epilogue: &Epilogue) -> Self {
        (self.activation, self.slope) = activation_code(epilogue.activation);
        self.has_bias = epilogue.bias.into();
        self.has_residual = epilogue.residual.into();
        self
    }
}

/// The uniform of the GEMM kernels: `shaders/lib/gemm_params.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Pod, Zeroable)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct GemmParams {
    /// Of the output.
    pub output: View,
    /// Of the residual.
    pub residual: View,
    /// Extents that a column index unravels into.
    pub output_size: [u32; 3],
    /// Number of products.
    pub batch: u32,
    /// Rows of a.
    pub m: u32,
    /// Columns of b.
    pub n: u32,
    /// Length of the sums.
    pub k: u32,
    /// Channel groups.
    pub groups: u32,
    /// Distance of groups in a.
    pub a_group: u32,
    /// Distance of rows of a.
    pub a_row: u32,
    /// Distance of columns of a.
    pub a_column: u32,
    /// First element of b.
    pub b_base: u32,
    /// Distance of batches in b.
    pub b_batch: u32,
    /// Distance of groups in b.
    pub b_group: u32,
    /// Distance of rows of b.
    pub b_row: u32,
    /// Distance of columns of b.
    pub b_column: u32,
    /// Case of `activate`.
    pub activation: u32,
    /// 1 when a bias is added.
    pub has_bias: u32,
    /// 1 when a residual is added.
    pub has_residual: u32,
    /// Of the leaky relu.
    #[cfg_attr(feature = "serde", serde(with = "super::unchecked::real"))]
    pub slope: f32,
    /// First element of a.
    pub a_base: u32,
    /// Distance of runs of the sum in a.
    pub a_run: u32,
    /// Distance of runs of the sum in b.
    pub b_run: u32,
    /// Length of a run: the sum goes over runs, and in each over this many neighbours.
    pub run: u32,
    /// Length of the part of the sum that one product takes; the parts count as the batch.
    pub slice: u32,
    /// Factor of what the output held before.
    #[cfg_attr(feature = "serde", serde(with = "super::unchecked::real"))]
    pub beta: f32,
    /// Distance of batches in a.
    pub a_batch: u32,
    /// Fills the struct to a multiple of 16 bytes.
    pub reserved: u32,
}

impl GemmParams {
    /// Sets activation, bias and residual.
    pub fn with_epilogue(mut self, epilogue: &Epilogue) -> Self {
        (self.activation, self.slope) = activation_code(epilogue.activation);
        self.has_bias = epilogue.bias.into();
        self.has_residual = epilogue.residual.into();
        self
    }
}

/// The uniform of the passes of a radix sort: `shaders/lib/sort_params.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct SortParams {
    /// Sequences of keys, each sorted by itself.
    pub sequences: u32,
    /// Keys of a sequence.
    pub len: u32,
    /// Bits below the digit of this pass.
    pub shift: u32,
    /// Fills the struct to 16 bytes.
    pub reserved: u32,
}

/// The uniform of the kernel that packs rows of weights: `shaders/lib/pack_params.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct PackParams {
    /// Channel groups.
    pub groups: u32,
    /// Taps of the kernel.
    pub taps: u32,
    /// Rows of the weight.
    pub rows: u32,
    /// Rows with the zeros that fill the last tile: what a packed column holds.
    pub row_pitch: u32,
    /// Columns of the weight.
    pub columns: u32,
    /// Columns with the zeros that fill the last chunk.
    pub column_pitch: u32,
    /// First element of the weight.
    pub base: u32,
    /// Distance of groups in the weight.
    pub group_stride: u32,
    /// Distance of taps.
    pub tap_stride: u32,
    /// Distance of rows.
    pub row_stride: u32,
    /// Distance of columns.
    pub column_stride: u32,
    /// Fills the struct to a multiple of 16 bytes.
    pub reserved: u32,
}

/// The uniform of the copies between a tensor and the workspace: `shaders/lib/copy_params.wgsl`.
///
/// The five axes of the tensor are sorted from the coarsest stride to the finest.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct CopyParams {
    /// Strides of all axes but the outermost one.
    pub strides: [u32; 4],
    /// Extents of the same axes.
    pub extents: [u32; 4],
    /// Stride of the outermost axis.
    pub outer_stride: u32,
    /// Extent of the outermost axis.
    pub outer_extent: u32,
    /// First element of the tensor in its binding.
    pub base: u32,
    /// Elements from the tensor's first to its last one, gaps included.
    pub span: u32,
}

/// The uniform of the sum over slices: `shaders/lib/sum_params.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Pod, Zeroable)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct SumParams {
    /// Of the slices: `n` is their stride, `c` that of rows.
    pub input: View,
    /// Of the sum.
    pub output: View,
    /// Extents that the positions of a row unravel into.
    pub size: [u32; 3],
    /// Rows of a slice.
    pub rows: u32,
    /// SplitSum that are added.
    pub slices: u32,
    /// Factor of what the output held before.
    #[cfg_attr(feature = "serde", serde(with = "super::unchecked::real"))]
    pub beta: f32,
    /// Fills the struct to a multiple of 16 bytes.
    pub reserved0: u32,
    /// More of the filling.
    pub reserved1: u32,
}

/// The case number of `activate` in `shaders/lib/activation.wgsl`, and the slope.
fn activation_code(activation: Activation) -> (u32, f32) {
    match activation {
        Activation::Identity => (0, 0.0),
        Activation::Relu => (1, 0.0),
        Activation::Relu6 => (2, 0.0),
        Activation::LeakyRelu { slope } => (3, slope),
        Activation::Silu => (4, 0.0),
        Activation::HardSwish => (5, 0.0),
        Activation::Gelu => (6, 0.0),
        Activation::GeluTanh => (7, 0.0),
    }
}

/// A function that lists name and byte offset of every field, for the test that holds host and shader in step.
macro_rules! fields {
    ($(#[$doc:meta])* $function:ident, $params:ident: $($field:ident),* $(,)?) => {
        $(#[$doc])*
        pub fn $function() -> Vec<(&'static str, usize)> {
            vec![$((stringify!($field), std::mem::offset_of!($params, $field))),*]
        }
    };
}

fields!(
    /// Name and byte offset of every field of [`WindowParams`].
    window_fields, WindowParams:
    input, output, residual, offset, mask, indices, grad_output, grad_input, grad_offset, grad_mask, columns,
    grad_columns, points, input_size, batch, output_size, c_in, kernel_size, c_out, stride, groups, dilation,
    offset_groups, pad_begin, activation, pad_end, has_bias, has_residual, slope, pad_value, exponent, block,
    divisor, slices, slice, beta, tap_step_d, tap_step_h, tap_step_w,
);
fields!(
    /// Name and byte offset of every field of [`GemmParams`].
    gemm_fields, GemmParams:
    output, residual, output_size, batch, m, n, k, groups, a_group, a_row, a_column, b_base, b_batch, b_group,
    b_row, b_column, activation, has_bias, has_residual, slope, a_base, a_run, b_run, run, slice, beta, a_batch,
    reserved,
);
fields!(
    /// Name and byte offset of every field of [`SortParams`].
    sort_fields, SortParams:
    sequences, len, shift, reserved,
);
fields!(
    /// Name and byte offset of every field of [`PackParams`].
    pack_fields, PackParams:
    groups, taps, rows, row_pitch, columns, column_pitch, base, group_stride, tap_stride, row_stride, column_stride,
    reserved,
);
fields!(
    /// Name and byte offset of every field of [`CopyParams`].
    copy_fields, CopyParams:
    strides, extents, outer_stride, outer_extent, base, span,
);
fields!(
    /// Name and byte offset of every field of [`SumParams`].
    sum_fields, SumParams:
    input, output, size, rows, slices, beta, reserved0, reserved1,
);
fields!(
    /// Name and byte offset of every field of [`View`].
    view_fields, View:
    base, n, c, d, h, w, reserved0, reserved1,
);
