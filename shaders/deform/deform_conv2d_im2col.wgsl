// needs: window_params scalar_corners sampling_columns
// columns[n, ci*T + t, position] = mask[n, og(ci), t, position] * sample(input[n,ci], y_t, x_t)
// with the sampling point of deform_conv2d_direct. A GEMM with the weight follows.
//
// The part sampling_columns has the walk over the channels; here the corners of four channels are sixteen loads.
// Dispatch: ceil(batch * offset_groups * ceil(channels / CHANNELS) * T * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK, CHANNELS, PARTIAL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> offset: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read_write> columns: array<f32>;
