//! How many loop iterations one invocation of a dispatch takes at most.
//!
//! Some drivers end every loop of an invocation once all its loops together took a fixed number of iterations, and
//! report nothing ([`Capabilities::max_loop_iterations`](crate::Capabilities::max_loop_iterations)): what would exceed
//! it must not be launched.

use super::params::{GemmParams, WindowParams};
use super::program::{Dispatch, Params};
use super::tiles::DEPTH;

/// More than all loops of fixed length in one invocation take: trees over a workgroup, tiles of outputs.
const FIXED: u64 = 256;
/// As in `shaders/lib/cells.wgsl` and `shaders/lib/radix.wgsl`.
const CHUNK: u64 = 256;
const CELL_BLOCK: u64 = super::deform_backward::CELL_BLOCK as u64;
const LIST_RUN: u64 = super::deform_backward::LIST_RUN as u64;
/// As in `shaders/deform_conv2d_cell_order.wgsl`.
const CELL_WORDS: u64 = 2048;
const N_DIGITS: u64 = 64;
const RUN: u64 = 64;
/// As in `shaders/deform_conv2d_implicit_gemm.wgsl`, and in `shaders/lib/cooperative_tile.wgsl`.
const CHANNELS: u64 = 16;
const PANEL: u64 = 8;
/// Of the packed factors of `shaders/conv_coop_packed.wgsl`.
const BLOCK: u64 = super::conv_coop_packed::BLOCK as u64;
/// As in `shaders/sum_slices.wgsl`.
const SLICES: u64 = 16;
/// Products of a panel of `shaders/lib/implicit_tile.wgsl`.
const TILE_DEPTH: u64 = DEPTH as u64;
/// Multiplications of `shaders/lib/lp_norm.wgsl`.
const MAX_POWER: u64 = 64;

/// Iterations of nested loops, outermost first. Leaving a loop counts as an iteration.
fn nest(extents: &[u64]) -> u64 {
    let mut entered = 1_u64;
    let mut sum = 0_u64;
    for &extent in extents {
        sum = sum.saturating_add(entered.saturating_mul(extent.saturating_add(1)));
        entered = entered.saturating_mul(extent);
    }
    sum
}

fn axes(values: [u32; 3]) -> [u64; 3] {
    values.map(u64::from)
}

fn product(values: [u32; 3]) -> u64 {
    values.iter().fold(1, |product, &n| product.saturating_mul(n.into()))
}

/// An upper bound of the iterations that all loops of one invocation take together, leaving a loop included; `None` for a
/// kernel that it does not know. Allocates nothing.
pub fn iterations(dispatch: &Dispatch) -> Option<u64> {
    let looped = match &dispatch.params {
        Params::Window(params) => window(dispatch, params)?,
        Params::Gemm(params) => gemm(dispatch, params)?,
    };
    Some(looped.saturating_add(FIXED))
}

fn gemm(dispatch: &Dispatch, params: &GemmParams) -> Option<u64> {
    let k = u64::from(params.slice.min(params.k));
    let runs = if dispatch.constant("SLICED") == Some(1) { k / u64::from(params.run.max(1)) + 2 } else { 1 };
    Some(match dispatch.variant.kernel.stem {
        "gemm_regtile" | "gemm_regtile_vec4" => nest(&[runs]) + k + runs,
        // The last chunk of each run may be cut short.
        "gemm_subgroup" | "gemm_subgroup_vec4_a" | "gemm_subgroup_vec4_b" | "gemm_subgroup_vec4_ab" => {
            nest(&[runs]) + k / dispatch.constant("STEP")? + 2 * runs
        }
        "pack_rows" => nest(&[params.batch.into(), dispatch.constant("CHUNK")?]),
        "gemm_vec4" | "gemm_vec4_rows" => nest(&[k.div_ceil(dispatch.constant("BLOCK_K")?)]) + 4 * nest(&[4]),
        "gemm_tiled" => nest(&[k.div_ceil(TILE_DEPTH)]),
        _ => return None,
    })
}

fn window(dispatch: &Dispatch, params: &WindowParams) -> Option<u64> {
    let batch = u64::from(params.batch);
    let groups = u64::from(params.groups.max(1));
    let c_in = u64::from(params.c_in) / groups;
    let c_out = u64::from(params.c_out) / groups;
    let offset_channels = u64::from(params.c_in / params.offset_groups.max(1));
    let [kd, kh, kw] = axes(params.kernel_size);
    let taps = product(params.kernel_size);
    let [od, oh, ow] = axes(params.output_size);
    let positions = product(params.output_size);
    let lanes = dispatch.constant("WORKGROUP").unwrap_or(1).max(1);
    // Windows along an axis that an element lies in.
    let around = |axis: usize| {
        let reach = u64::from(params.kernel_size[axis].saturating_sub(1)) * u64::from(params.dilation[axis]);
        (reach / u64::from(params.stride[axis].max(1)) + 1).min(u64::from(params.output_size[axis]))
    };
    let windows = [around(0), around(1), around(2)];
    let n_windows = windows.iter().product::<u64>();
    let powers = if params.value >= 1.0 { params.value.min(MAX_POWER as f32) as u64 + 1 } else { 1 };
    // Of the four columns that an invocation stages.
    let masks = if dispatch.constant("MASKED") == Some(1) { 4 * nest(&[kd, kh, kw]) } else { 0 };
    Some(match dispatch.variant.kernel.stem {
        "activation_grad"
        | "depth_to_space"
        | "space_to_depth"
        | "scale"
        | "im2col"
        | "deform_conv2d_cells"
        | "deform_conv2d_pack_input"
        | "winograd_weight"
        | "widen"
        | "narrow" => 0,
        "avg_pool" | "max_pool" => nest(&[dispatch.constant("ROWS")?, kd, kh, kw]),
        // Every axis searches its first tap.
        "col2im" => nest(&[kd, kh, kw]) + kd + kh + kw + 3,
        "lp_pool" => nest(&[kd, kh, kw, powers]) + 3 * powers,
        "avg_pool_grad_input" | "max_pool_grad_input" => {
            nest(&[dispatch.constant("ROWS")?, windows[0], windows[1], windows[2]])
        }
        "lp_pool_grad_input" => nest(&windows) + n_windows * (powers + 1),
        "pool_reduce" => nest(&[product(params.input_size).div_ceil(lanes), powers]) + 3 * powers,
        "conv_direct" | "conv_regtile" | "conv_transpose_gather" => nest(&[kd, kh, kw, c_in]),
        "conv_subgroup" => {
            let step = dispatch.constant("STEP")?;
            nest(&[kd, kh, kw, c_in.div_ceil(step)])
        }
        "conv_subgroup_wide" | "conv_subgroup_wide_vec4" => {
            let step = dispatch.constant("STEP")?;
            nest(&[kd, kh, kw, c_in.div_ceil(step)]) + nest(&[kd, kh, c_in.div_ceil(step), kw])
        }
        "pack_phases" => nest(&[product(params.stride), taps]),
        "conv_taps_subgroup" => (c_in * taps).div_ceil(dispatch.constant("STEP")?) + 1,
        "conv_grad_weight_subgroup" => u64::from(params.count) / dispatch.constant("STEP")? + 2,
        "conv_implicit_gemm" => {
            let sliced = dispatch.constant("SLICED") == Some(1);
            let products = if sliced { params.count.into() } else { c_in * taps };
            nest(&[products.div_ceil(TILE_DEPTH)]) + masks
        }
        "conv_packed_gemm" => {
            let split = dispatch.constant("SPLIT_K") == Some(1);
            let panels = if split { params.count.into() } else { taps * c_in.div_ceil(dispatch.constant("BLOCK_K")?) };
            // What is kept of eight columns, and the rows of each.
            nest(&[panels]) + nest(&[8]) + nest(&[8, 8])
        }
        "conv_sum_slices" => nest(&[params.count.into()]),
        "conv_coop_gemm" | "conv_coop_gemm_8x8" => {
            let side: u64 = if dispatch.variant.kernel.stem == "conv_coop_gemm" { 16 } else { 8 };
            let elements = (side * side).div_ceil(dispatch.constant("SUBGROUP_SIZE")?);
            nest(&[c_in.div_ceil(CHANNELS) * taps, CHANNELS / side]) + nest(&[8, elements])
        }
        "conv_coop_packed" => {
            let matrices = 2 * dispatch.constant("COLUMN_MATRICES")?;
            nest(&[c_in.div_ceil(BLOCK) * taps, 2]) + nest(&[matrices, 8])
        }
        "coop_pack_input" => nest(&[2]),
        "coop_pack_weight" => {
            nest(&[(c_in * taps).div_ceil(lanes)]) + nest(&[(c_in.div_ceil(BLOCK) * taps * BLOCK / 4).div_ceil(lanes)])
        }
        "coop_peaks" => nest(&[u64::from(params.count).div_ceil(4 * lanes)]),
        "conv_transpose_implicit_gemm" => nest(&[(c_in * taps).div_ceil(TILE_DEPTH)]) + kd + kh + kw + 3 + masks,
        "conv_implicit_grad_weight" => nest(&[u64::from(params.count).div_ceil(TILE_DEPTH)]),
        "conv2d_depthwise" => nest(&[kw, kh]),
        "conv2d_depthwise_rows" | "conv2d_depthwise_rows_vec4" => nest(&[dispatch.constant("TILE_Y")? + kh]),
        "conv2d_dilated" => {
            let constant = |name| dispatch.constant(name);
            let (tile_h, tile_w, staged) = (constant("TILE_H")?, constant("TILE_W")?, constant("CHANNELS")?);
            let patch = (tile_h + kh - 1) * (tile_w + kw - 1);
            let rounds = c_in.div_ceil(staged);
            rounds * (2 + (staged * patch).div_ceil(tile_h * tile_w) + 1 + nest(&[staged, kh, kw]))
        }
        "conv2d_depthwise_grad_weight" if dispatch.constant("TREE") == Some(0) => u64::from(params.count) + 2,
        "conv2d_depthwise_grad_weight" => u64::from(params.count) / (lanes / kw.max(1)).max(1) + 2 + lanes,
        "conv_transpose2d_depthwise" => {
            let [step_y, step_x] = [params.tap_step_h, params.tap_step_w].map(|step| u64::from(step.max(1)));
            let searched = step_y.min(kh) + 1;
            let phases = u64::from(params.stride[2]).min(ow);
            let taps_y = kh.div_ceil(step_y);
            let taps_x = kw.div_ceil(step_x);
            searched + phases * (step_x.min(kw) + 1) + nest(&[phases, c_in, taps_x, taps_y])
        }
        "conv_transpose_phases" | "conv_transpose_subgroup" => {
            // Every axis searches its first tap and then visits one in so many.
            let steps = [params.tap_step_d, params.tap_step_h, params.tap_step_w];
            let axis = |axis: usize| (u64::from(params.kernel_size[axis]), u64::from(steps[axis].max(1)));
            let searched = (0..3).map(axis).map(|(kernel, step)| step.min(kernel) + 1).sum::<u64>();
            let [d, h, w] = [axis(0), axis(1), axis(2)].map(|(kernel, step)| kernel.div_ceil(step));
            let channels = c_in.div_ceil(dispatch.constant("STEP").unwrap_or(1));
            searched + nest(&[d, h, w, channels])
        }
        "conv_grad_weight" => nest(&[batch, positions.div_ceil(lanes)]),
        "grad_bias" if dispatch.constant("TREE") == Some(0) => nest(&[batch, od, oh, ow]),
        "grad_bias" => nest(&[batch, positions.div_ceil(lanes)]),
        "sum_slices" => nest(&[batch.div_ceil(SLICES), SLICES]) + batch,
        "winograd_input" => nest(&[dispatch.constant("CHANNELS")?]),
        "conv2d_winograd" => {
            let panels = c_in.div_ceil(4) + 1;
            nest(&[panels]) + nest(&[panels, 4]) + nest(&[4, 4])
        }
        "winograd_output" => {
            let tile = dispatch.constant("TILE")?;
            nest(&[dispatch.constant("CHANNELS")?, tile * tile])
        }
        "padding_grad" => {
            let readers = |axis: usize| match dispatch.constant("PADDING_MODE") {
                Some(2) => 1 + u64::from(params.pad_begin[axis]) + u64::from(params.pad_end[axis]),
                _ => 3,
            };
            nest(&[readers(0), readers(1), readers(2)])
        }
        "spatial_separable2d_direct" => nest(&[kw, kh]),
        "locally_connected2d_direct" => nest(&[taps, c_in]),
        "locally_connected2d_grad_input" => nest(&[taps, c_out]),
        "locally_connected2d_grad_weight" => nest(&[batch]),
        // Channels of a group may begin in the middle of an offset group, hence one more stretch.
        "deform_conv2d_direct" => {
            let stretches = c_in / offset_channels.max(1) + 2;
            nest(&[taps, stretches]) + taps * (c_in + stretches)
        }
        // An offset group may leave its last chunk, block and panel cut short.
        "deform_conv2d_subgroup" => {
            let stretches = c_in / offset_channels.max(1) + 2;
            let chunks = c_in / dispatch.constant("STEP")? + stretches;
            // Four columns of up to 32 rows at once, which may take a loop of four each.
            let written = dispatch.constant("TILE_CO")?.div_ceil(32) * nest(&[4, 8, 4]);
            nest(&[stretches, taps]) + taps * (chunks + stretches) + written
        }
        "deform_conv2d_implicit_gemm" => {
            let stretches = c_in / offset_channels.max(1) + 2;
            let blocks = c_in / CHANNELS + stretches;
            let panels = c_in / PANEL + blocks;
            nest(&[taps * panels, PANEL / 4])
        }
        "deform_conv2d_im2col" | "deform_conv2d_scatter" => nest(&[offset_channels]),
        "deform_conv2d_im2col_vec4" | "deform_conv2d_grad_sampling" | "deform_conv2d_grad_sampling_vec4" => {
            nest(&[offset_channels.div_ceil(4)])
        }
        "deform_conv2d_cell_starts" => 33,
        "deform_conv2d_cell_lists" => 0,
        "deform_conv2d_cell_totals" => CELL_BLOCK / lanes + 1,
        "deform_conv2d_cell_scan" => {
            let cells = u64::from(params.input_size[1] + 1) * u64::from(params.input_size[2] + 1);
            2 * (CELL_BLOCK / lanes + 1) + cells.div_ceil(CELL_BLOCK).div_ceil(lanes) + 1
        }
        "deform_conv2d_cell_order" => {
            let (points, stretch) = (taps * positions, CELL_WORDS / lanes);
            let windows = points.div_ceil(32 * CELL_WORDS);
            // The more points a cell has, the more workgroups share its windows: about LIST_RUN points of a cell to a window, or
            // one window of however many.
            let read = windows * (2 * LIST_RUN / lanes) + points / lanes;
            let fixed = 2 * (stretch + 1) + nest(&[stretch, 32]) + FIXED / 4;
            nest(&[LIST_RUN / lanes, LIST_RUN]) + read + (windows + 1) * fixed
        }
        "deform_conv2d_cell_sums" => 33 + CHUNK + 1,
        // All points may lie in the cells around one pixel.
        "deform_conv2d_grad_input" => (taps * od * oh * ow).div_ceil(CHUNK) + 4 * 3,
        "radix_histogram" => N_DIGITS + 1 + RUN + 1,
        "radix_scan" => 2 * ((N_DIGITS * u64::from(params.c_out).div_ceil(RUN)).div_ceil(lanes) + 1),
        "radix_scatter" => RUN + 1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaving_a_loop_counts() {
        assert_eq!(nest(&[]), 0);
        assert_eq!(nest(&[5]), 6);
        assert_eq!(nest(&[2, 3]), 3 + 2 * 4);
        assert_eq!(nest(&[u64::MAX, u64::MAX]), u64::MAX);
    }
}
