//! The thin host: plans compiled on the caller's device and recorded into the caller's encoder.
//!
//! [`Context`] wraps the caller's device once and caches pipelines. [`Plan`] is made once per problem and shared;
//! [`Bound`] is a plan with buffers attached, whose `encode` allocates nothing, submits nothing and waits for nothing.
//! [`Gpu`] is a convenience on top for tests, tools and small programs.

mod backward;
mod bound;
pub mod catalog;
mod context;
mod deform_backward;
mod iterations;
pub(crate) mod lower;
mod open;
pub mod params;
mod plan;
pub mod program;
mod signal;
pub(crate) mod steps;
mod storage;
pub(crate) mod tiles;
mod winograd;

mod activation_grad;
mod avg_pool;
mod avg_pool_grad_input;
mod col2im;
mod conv2d_depthwise;
mod conv2d_depthwise_grad_weight;
mod conv2d_depthwise_rows;
mod conv2d_depthwise_rows_vec4;
mod conv2d_dilated;
mod conv2d_winograd;
mod conv_coop_gemm;
mod conv_coop_gemm_8x8;
mod conv_coop_packed;
mod conv_direct;
mod conv_grad_weight;
mod conv_grad_weight_subgroup;
mod conv_implicit_gemm;
mod conv_implicit_grad_weight;
mod conv_packed_gemm;
mod conv_regtile;
mod conv_subgroup;
mod conv_subgroup_wide;
mod conv_subgroup_wide_vec4;
mod conv_sum_slices;
mod conv_taps_subgroup;
mod conv_transpose2d_depthwise;
mod conv_transpose_gather;
mod conv_transpose_implicit_gemm;
mod conv_transpose_phases;
mod conv_transpose_subgroup;
mod coop_pack_input;
mod coop_pack_weight;
mod coop_peaks;
mod deform_conv2d_cell_starts;
mod deform_conv2d_cell_sums;
mod deform_conv2d_cells;
mod deform_conv2d_direct;
mod deform_conv2d_grad_input;
mod deform_conv2d_grad_sampling;
mod deform_conv2d_im2col;
mod deform_conv2d_implicit_gemm;
mod deform_conv2d_scatter;
mod deform_conv2d_subgroup;
mod depth_to_space;
mod gemm_regtile;
mod gemm_regtile_vec4;
mod gemm_subgroup;
mod gemm_subgroup_vec4_a;
mod gemm_subgroup_vec4_ab;
mod gemm_subgroup_vec4_b;
mod gemm_tiled;
mod gemm_vec4;
mod gemm_vec4_rows;
mod grad_bias;
mod im2col;
pub(crate) mod lanes;
mod locally_connected2d_direct;
mod locally_connected2d_grad_input;
mod locally_connected2d_grad_weight;
mod lp_pool;
mod lp_pool_grad_input;
mod max_pool;
mod max_pool_grad_input;
mod narrow;
mod pack_phases;
pub(crate) mod pack_rows;
mod packed;
mod padding_grad;
pub(crate) mod panels;
mod pool_reduce;
mod radix_histogram;
mod radix_scan;
mod radix_scatter;
mod scale;
mod space_to_depth;
mod spatial_separable2d_direct;
mod sum_slices;
mod widen;
mod winograd_input;
mod winograd_output;
mod winograd_weight;

pub use bound::{Bindings, Bound};
#[cfg(feature = "bench")]
pub(crate) use context::empty_pipeline_cache;
pub use context::{
    Context, capabilities_of, capabilities_with_adapter, experimental_features, optional_features, required_features,
    required_limits,
};
pub(crate) use conv_coop_packed::{applies as packs_cooperative, work as packed_cooperative};
pub(crate) use conv_implicit_gemm::cut as implicit_gemm_cut;
pub(crate) use conv_packed_gemm::cut as packed_gemm_cut;
pub(crate) use conv_subgroup::product as lane_product;
pub(crate) use conv_subgroup_wide::cycles as wide_cycles;
pub use iterations::iterations;
pub use lower::{Lowered, lower_in_parts};
#[cfg(any(feature = "bench", feature = "tune"))]
pub(crate) use open::Prepared;
pub use open::{Gpu, Outputs, Select};
pub(crate) use packed::packing_time;
pub use plan::Plan;
pub(crate) use program::broadcast_step;
pub(crate) use winograd::tiles as winograd_tiles;
