//! Launcher of `shaders/rearrange/pack_rows.wgsl`.

use crate::capabilities::KernelClass;
use crate::kernels::implicit_tile::{self, BYTE};
use crate::kernels::lane_tile::{LANES, LOAD, VEC4};
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, PackParams, Params};

kernel!(
    pack_rows, Pack,
    read: ["weight"],
    write: ["packed"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "CHUNK"],
    precondition: "a row pitch that is a multiple of four",
    loops: |l| nest(&[l.params.taps.into(), l.constant("CHUNK")]),
);

/// How weights are packed for lanes that share their loads by subgroup broadcast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packing {
    pub groups: usize,
    pub taps: usize,
    /// The last tap becomes the first.
    pub flip: bool,
    pub rows: usize,
    /// Rows with the zeros that fill the last tile, a multiple of four.
    pub row_pitch: usize,
    pub columns: usize,
    /// Likewise columns, up to the last chunk.
    pub column_pitch: usize,
    /// Distance of groups, taps, rows and columns of the weights.
    pub strides: [usize; 4],
}

impl Packing {
    /// Extents of the packed weights.
    pub fn shape(&self) -> [usize; 4] {
        [self.groups, self.taps, self.column_pitch, self.row_pitch]
    }
}

/// Columns that an invocation takes: a GPU wants the invocations.
fn chunk(class: KernelClass) -> usize {
    match class {
        KernelClass::Gpu => 1,
        KernelClass::Cpu => 8,
    }
}

/// Cycles of a dispatch of its own: some 20 us of two cores.
const DISPATCH: f64 = 60_000.0;

/// Cycles of one core of a software rasteriser for so many weights: loads, and stores of vec4s that find nothing in a cache.
pub(crate) fn cycles(weights: usize) -> f64 {
    DISPATCH + weights as f64 / (4.0 * LANES) * (4.0 * LOAD + 4.0 * VEC4)
}

/// Time of packing so many weights on a GPU, in multiply-adds of the whole device: each is read and written.
pub(crate) fn time(weights: usize) -> f64 {
    implicit_tile::DISPATCH + (2 * 4 * weights) as f64 * BYTE
}

pub(crate) fn dispatch(p: &Packing, class: KernelClass, weights: Slot, packed: Slot) -> Dispatch {
    let chunk = chunk(class);
    let [group_stride, tap_stride, row_stride, column_stride] = p.strides.map(|stride| stride as u32);
    let params = PackParams {
        groups: p.groups as u32,
        taps: p.taps as u32,
        rows: p.rows as u32,
        row_pitch: p.row_pitch as u32,
        columns: p.columns as u32,
        column_pitch: p.column_pitch as u32,
        base: weights.view.base,
        group_stride,
        tap_stride,
        row_stride,
        column_stride,
        ..PackParams::default()
    };
    let invocations = 4 * p.groups * p.row_pitch.div_ceil(16) * p.column_pitch.div_ceil(chunk);
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("FLIP_KERNEL", p.flip.into()), ("CHUNK", (chunk as u32).into())],
        Params::Pack(params),
        vec![weights.operand, packed.operand],
        workgroups_for(invocations as u64),
    )
}
