//! Launcher of `shaders/cooperative/conv_coop_packed.wgsl`, and how its factors are packed.

use crate::capabilities::{Capabilities, KernelClass};
use crate::geometry::Window;
use crate::kernels::task::{ConvTask, Slot, flat_strides};
use crate::program::loops::nest;
use crate::program::{Dispatch, Element, Params, WindowParams};

kernel!(
    conv_coop_packed, Window,
    read: ["input", "weight", "row_exponents", "image_exponents", "bias", "residual"],
    write: ["output"],
    constants: ["SUBGROUPS_M", "SUBGROUPS_N", "COLUMN_MATRICES", "SCALED", "FLAT"],
    precondition: "factors packed by coop_pack_input and coop_pack_weight; cooperative matrices of 16 x 16, f16 into f32; subgroups of 32",
    loops: |l| {
        let matrices = 2 * l.constant("COLUMN_MATRICES");
        nest(&[l.c_in.div_ceil(BLOCK as u64) * l.taps, 2]) + nest(&[matrices, 8])
    },
);

/// Channels that are packed together.
pub(crate) const BLOCK: usize = 32;
/// Fewer of a group leave more than half of a block empty.
const FEWEST_CHANNELS: usize = 16;
/// As in the shader.
const SIDE: u32 = 16;
const SUBGROUP_SIZE: u32 = 32;
const PITCH: u32 = 10;

/// The padded image that the windows slide over, of which an axis of one tap has those pixels alone that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub pixels: [usize; 3],
    /// Distance of its pixels in the image.
    pub step: [usize; 3],
    /// Distance of windows in it.
    stride: [usize; 3],
}

impl Frame {
    pub fn new(w: &Window) -> Frame {
        let axes = [0, 1, 2];
        let step = axes.map(|axis| if w.kernel[axis] == 1 { w.stride[axis] } else { 1 });
        let stride = axes.map(|axis| w.stride[axis] / step[axis]);
        let reach = |axis: usize| w.dilation[axis] * (w.kernel[axis] - 1);
        let pixels = axes.map(|axis| (w.output[axis] - 1) * stride[axis] + reach(axis) + 1);
        Frame { pixels, step, stride }
    }

    pub fn len(&self) -> usize {
        self.pixels.iter().product()
    }
}

/// Subgroups that share a tile, and the columns of matrices of each.
#[derive(Debug, Clone, Copy)]
struct Shape {
    subgroups: [u32; 2],
    column_matrices: u32,
}

impl Shape {
    /// Rows and columns of the tile.
    fn block(self) -> [u32; 2] {
        [self.subgroups[0] * 2 * SIDE, self.subgroups[1] * self.column_matrices * SIDE]
    }

    fn invocations(self) -> u32 {
        self.subgroups[0] * self.subgroups[1] * SUBGROUP_SIZE
    }

    /// Of workgroup memory.
    fn bytes(self) -> u32 {
        let [rows, columns] = self.block();
        8 * PITCH * (rows + columns) + 4 * self.subgroups[0] * self.subgroups[1] * SIDE * SIDE
    }

    fn fits(self, caps: &Capabilities) -> bool {
        self.invocations() <= caps.max_invocations_per_workgroup && self.bytes() <= caps.max_workgroup_bytes
    }

    fn tiles(self, w: &Window) -> u64 {
        let [rows, columns] = self.block().map(|extent| extent as usize);
        let tiles = w.groups * w.c_out_per_group().div_ceil(rows) * (w.batch * w.output_len()).div_ceil(columns);
        tiles as u64
    }
}

/// From the one that stages least for a product to the one of which there are most.
const SHAPES: [Shape; 3] = [
    Shape { subgroups: [4, 2], column_matrices: 4 },
    Shape { subgroups: [2, 2], column_matrices: 4 },
    Shape { subgroups: [2, 2], column_matrices: 2 },
];
/// Tiles that fill a big GPU, two to a multiprocessor of 132.
const ENOUGH: u64 = 200;

fn shape(w: &Window, caps: &Capabilities) -> Option<Shape> {
    let fitting = || SHAPES.into_iter().filter(|shape| shape.fits(caps));
    // Rows beyond the last are not worth larger tiles.
    let wastes = |shape: &Shape| shape.block()[0] > 64 && (w.c_out_per_group() - 1) % 128 < 64;
    fitting().find(|shape| !wastes(shape) && shape.tiles(w) >= ENOUGH).or_else(|| fitting().next_back())
}

/// What keeps a device or a window from packed factors.
pub(crate) fn applies(w: &Window, caps: &Capabilities) -> Result<(), String> {
    if caps.class != KernelClass::Gpu
        || caps.cooperative_side != Some(SIDE)
        || caps.subgroup_size != Some(SUBGROUP_SIZE)
    {
        return Err("it needs cooperative matrices of 16 x 16, f16 into f32, subgroups of 32, and a device that was opened with them"
            .into());
    }
    if w.c_in_per_group() < FEWEST_CHANNELS {
        return Err(format!("{} input channels per group, it needs {FEWEST_CHANNELS}", w.c_in_per_group()));
    }
    shape(w, caps).map(|_| ()).ok_or_else(|| "the device has no room for a tile".into())
}

/// Of f32, as the workspace counts, that the packed input and the packed weights take.
pub(crate) fn packed_shapes(w: &Window) -> [[usize; 4]; 2] {
    let blocks = w.groups * w.c_in_per_group().div_ceil(BLOCK);
    [[w.batch, blocks, Frame::new(w).len(), BLOCK / 2], [blocks, w.kernel_len(), w.c_out_per_group(), BLOCK / 2]]
}

/// Where `task` has its packed factors, and the exponents of what scaled them.
pub(crate) struct Packed {
    pub input: Slot,
    pub weight: Slot,
    /// Of rows and of images.
    pub exponents: Option<[Slot; 2]>,
}

/// `Err` says why it does not apply.
pub(crate) fn dispatch(task: &ConvTask, packed: &Packed, caps: &Capabilities) -> Result<Dispatch, String> {
    let w = &task.window;
    let shape = shape(w, caps).ok_or("the device has no room for a tile")?;
    let frame = Frame::new(w);
    let axes = |values: [usize; 3]| values.map(|n| n as u32);
    let mut params =
        WindowParams { input_size: axes(frame.pixels), stride: axes(frame.stride), ..task.window_params() };
    let flat = flat_strides(task.sink.output, task.sink.residual, w.output);
    if let Some(strides) = flat {
        [params.output.w, params.residual.w] = strides;
    }
    let [rows, images] = packed.exponents.unwrap_or([Slot::UNUSED; 2]);
    let [subgroups_m, subgroups_n] = shape.subgroups;
    let mut dispatch = Dispatch::new(
        &KERNEL,
        [
            ("SUBGROUPS_M", subgroups_m.into()),
            ("SUBGROUPS_N", subgroups_n.into()),
            ("COLUMN_MATRICES", shape.column_matrices.into()),
            ("SCALED", packed.exponents.is_some().into()),
            ("FLAT", flat.is_some().into()),
        ],
        Params::Window(Box::new(params)),
        vec![
            packed.input.operand,
            packed.weight.operand,
            rows.operand,
            images.operand,
            task.sink.bias.operand,
            task.sink.residual.operand,
            task.sink.output.operand,
        ],
        shape.tiles(w),
    );
    dispatch.variant.elements[..2].fill(Element::F16);
    Ok(dispatch)
}
