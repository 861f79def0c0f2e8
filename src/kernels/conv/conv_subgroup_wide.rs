//! Launcher of `shaders/conv/conv_subgroup_wide.wgsl`.

use crate::capabilities::Capabilities;
use crate::geometry::Window;
use crate::kernels::lane_tile::{LaneProduct, LaneTile, STEP, WIDE};
use crate::kernels::task::{ConvTask, broadcast_step_for, padding_code};
use crate::kernels::{conv_subgroup, conv_subgroup_wide_vec4, conv_transpose_subgroup, pack_phases, pack_rows};
use crate::program::loops::nest;
use crate::program::{Dispatch, Kernel};

kernel!(
    conv_subgroup_wide, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "STEP", "TILE_CO", "KERNEL_W", "STRIDE_W", "PHASED", "PHASE_W", "SEPARATE"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more; packed weights; taps that are not separate up to 9 along a row, at stride 2 up to 5 and undilated",
    loops: |l| {
        let step = l.constant("STEP");
        nest(&[l.kd, l.kh, l.kw, l.c_in.div_ceil(step)]) + nest(&[l.kd, l.kh, l.c_in.div_ceil(step), l.kw])
    },
);

/// Taps of a row at most, at stride 1 and at stride 2, as in the shader.
const MOST_TAPS: [usize; 2] = [9, 5];

/// Runs of up to eight columns, one dilation apart, that cover a row of the output.
fn runs_of_row(w: &Window) -> usize {
    let (width, spread) = (w.output[2], w.dilation[2]);
    let (shorter, longer) = (width / spread, width % spread);
    longer * (shorter + 1).div_ceil(WIDE) + (spread - longer) * shorter.div_ceil(WIDE)
}

/// A convolution by taps that share rows or by separate ones, whichever costs less, and its tile, where that costs less than
/// `conv_subgroup`; `packed` says that packing the weights does not count. The batch has no say, so that parts of a batch are
/// summed in the same order as the whole. Beside them the cycles of an image.
fn best(w: &Window, packed: bool) -> Option<(Part, LaneTile, f64)> {
    if !conv_subgroup::wants(w) {
        return None;
    }
    let narrow = conv_subgroup::product(w);
    let priced = |part: Part| {
        let product = LaneProduct {
            runs: [narrow.runs[0], part.runs],
            places: w.kernel_len() / part.taps,
            shared: part.taps,
            stride: part.stride,
            rows_vec4_aligned: true,
            columns_vec4_aligned: part.fits_vec4(w),
            ..narrow
        };
        let tile = product.wide()?;
        Some((part, tile, product.cycles(tile)))
    };
    let parts = [Part::shared(w), Some(Part::separate(w))];
    let cheapest = parts.into_iter().flatten().filter_map(priced).min_by(|(.., a), (.., b)| a.total_cmp(b))?;
    (cheapest.2 + packing_cycles(w, packed) < narrow.cycles(narrow.narrow())).then_some(cheapest)
}

fn packing_cycles(w: &Window, packed: bool) -> f64 {
    if packed { 0.0 } else { pack_rows::cycles(w.c_out * w.c_in_per_group() * w.kernel_len()) }
}

/// Cycles of all images, where it is chosen.
pub(crate) fn cycles(w: &Window, packed: bool) -> Option<f64> {
    let (.., cycles) = best(w, packed)?;
    Some(w.batch as f64 * cycles + packing_cycles(w, packed))
}

/// What is to be computed and the tile, where `conv_subgroup` does not cost less.
pub(crate) fn whole(w: &Window, packed: bool) -> Option<(Part, LaneTile)> {
    best(w, packed).map(|(part, tile, _)| (part, tile))
}

/// Packs the weights of `task`; with `turned` those of a transposed convolution, weight[ci,co,k].
pub(crate) fn packing(task: &ConvTask, turned: bool, tile: LaneTile, caps: &Capabilities) -> pack_rows::Packing {
    let w = &task.window;
    let (c_in, c_out, taps) = (w.c_in_per_group(), w.c_out_per_group(), w.kernel_len());
    let (row, column) = if turned { (taps, c_out * taps) } else { (c_in * taps, taps) };
    pack_rows::Packing {
        groups: w.groups,
        taps,
        flip: task.flip_kernel,
        rows: c_out,
        row_pitch: c_out.next_multiple_of(tile.rows as usize),
        columns: c_in,
        column_pitch: c_in.next_multiple_of(broadcast_step_for(c_in, caps) as usize),
        strides: [c_out * c_in * taps, 1, row, column],
    }
}

/// What the kernels compute: outputs of a convolution, or of the phases of a transposed one in every so many columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// Runs of up to eight positions of a row that cover the image.
    runs: usize,
    /// Phases that are computed alike.
    phases: usize,
    phased: bool,
    /// The first column.
    start: usize,
    /// Whether taps of a row share nothing.
    separate: bool,
    /// Taps of a row that share what they load of it, the stride, and the padding that they see.
    taps: usize,
    stride: usize,
    pad: isize,
}

impl Part {
    /// A plain convolution whose taps share rows; `None` where they do not.
    fn shared(w: &Window) -> Option<Part> {
        let most = *MOST_TAPS.get(w.stride[2] - 1)?;
        let strides_over = w.stride[2] > 1 && w.dilation[2] > 1;
        (!strides_over && (2..=most).contains(&w.kernel[2])).then(|| Part {
            runs: w.output[0] * w.output[1] * runs_of_row(w),
            taps: w.kernel[2],
            stride: w.stride[2],
            separate: false,
            ..Part::separate(w)
        })
    }

    /// Likewise with taps that load their own.
    fn separate(w: &Window) -> Part {
        Part {
            runs: w.output[0] * w.output[1] * w.output[2].div_ceil(WIDE),
            phases: 1,
            phased: false,
            start: 0,
            separate: true,
            taps: 1,
            stride: 1,
            pad: w.pad_begin[2] as isize,
        }
    }

    /// The phases of a transposed convolution, by columns; `None` where some have no taps, or are dilated.
    fn phases(w: &Window) -> Option<Vec<Part>> {
        let empty = (0..3).any(|axis| w.kernel[axis] < w.stride[axis] || w.output[axis] < w.stride[axis]);
        if empty || w.dilation != [1; 3] || w.stride == [1; 3] {
            return None;
        }
        let [_, _, stride] = w.stride;
        let part = |start: usize| {
            let taps = (w.kernel[2] - (start + w.pad_begin[2]) % stride).div_ceil(stride);
            let of = |axis: usize, start: usize| (w.output[axis] - start).div_ceil(w.stride[axis]);
            Part {
                runs: of(0, 0) * of(1, 0) * of(2, start).div_ceil(WIDE),
                phases: w.stride[0] * w.stride[1],
                phased: true,
                start,
                separate: false,
                taps,
                stride: 1,
                pad: taps as isize - 1 - ((start + w.pad_begin[2]) / stride) as isize,
            }
        };
        Some((0..stride).map(part).collect())
    }

    /// Whether windows of a row see whole vec4s and few elements beside them.
    pub fn fits_vec4(&self, w: &Window) -> bool {
        let beside = [self.pad, (self.taps as isize) - (self.stride as isize) - self.pad];
        !self.separate
            && w.dilation[2] == 1
            && w.input[2].is_multiple_of(4)
            && self.pad >= 0
            && beside.iter().all(|&elements| elements <= MOST_BESIDE)
    }
}

/// Elements that windows see at most beside the vec4s in the middle, on each side, as in `conv_subgroup_wide_vec4`.
const MOST_BESIDE: isize = 4;

/// The phases of a transposed convolution by columns, and the tile, where they cost less than `conv_transpose_subgroup`.
pub(crate) fn phases(w: &Window, packed: bool) -> Option<(Vec<Part>, LaneTile)> {
    if !conv_subgroup::wants(w) {
        return None;
    }
    let narrow = conv_transpose_subgroup::product(w);
    let parts = Part::phases(w).filter(|parts| parts.iter().all(|part| part.taps <= MOST_TAPS[0]))?;
    let mut cost = packing_cycles(w, packed);
    let mut tile = None;
    for part in &parts {
        let rows = w.kernel[0] * w.kernel[1];
        let product = LaneProduct {
            runs: [narrow.runs[0], part.runs],
            steps: (rows * part.taps * w.c_in_per_group().div_ceil(STEP)).div_ceil(part.phases),
            places: rows.div_ceil(part.phases),
            count: w.groups * part.phases,
            shared: part.taps,
            rows_vec4_aligned: true,
            columns_vec4_aligned: part.fits_vec4(w),
            // All columns say together whether the work is worth it.
            columns: narrow.columns * w.stride[2],
            ..narrow
        };
        let wide = product.wide()?;
        cost += product.cycles(wide);
        tile = Some(wide);
    }
    let tile = tile.filter(|_| cost < narrow.cycles(narrow.narrow()))?;
    Some((parts, tile))
}

/// Over packed weights.
pub(crate) fn dispatch(task: &ConvTask, part: &Part, tile: LaneTile, caps: &Capabilities) -> Dispatch {
    let vec4s = conv_subgroup_wide_vec4::applies(task, part);
    let kernel: &'static Kernel = if vec4s { &conv_subgroup_wide_vec4::KERNEL } else { &KERNEL };
    let w = &task.window;
    let tiles = w.groups * part.phases * w.c_out_per_group().div_ceil(tile.rows as usize);
    let workgroups = w.batch * tiles * part.runs.div_ceil(tile.workgroup as usize);
    let constants = [
        ("WORKGROUP", tile.workgroup.into()),
        ("PADDING_MODE", padding_code(task.padding_mode)),
        ("STEP", broadcast_step_for(w.c_in_per_group(), caps).into()),
        ("TILE_CO", tile.rows.into()),
        ("KERNEL_W", (part.taps as u32).into()),
        ("STRIDE_W", (part.stride as u32).into()),
        ("PHASED", part.phased.into()),
        ("PHASE_W", (part.start as u32).into()),
        if vec4s { ("PAD_W", (part.pad as u32).into()) } else { ("SEPARATE", part.separate.into()) },
    ];
    Dispatch::new(kernel, constants, task.params(), task.operands(), workgroups as u64)
}

/// Packs the weights of those phases.
pub(crate) fn phase_packing(task: &ConvTask, part: &Part, tile: LaneTile, caps: &Capabilities) -> pack_phases::Packing {
    let w = &task.window;
    let (c_in, c_out) = (w.c_in_per_group(), w.c_out_per_group());
    let step = broadcast_step_for(c_in, caps);
    let most = [0, 1].map(|axis| w.kernel[axis].div_ceil(w.stride[axis]));
    let (rows, columns) = (c_out.next_multiple_of(tile.rows as usize), c_in.next_multiple_of(step as usize));
    pack_phases::Packing {
        shape: [w.groups, part.phases * most[0] * most[1] * part.taps, columns, rows],
        step,
        tile_rows: tile.rows,
        start: part.start as u32,
    }
}
