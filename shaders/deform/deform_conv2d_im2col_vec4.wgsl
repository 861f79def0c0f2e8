// needs: window_params packed_corners sampling_columns
// columns[n, ci*T + t, position] = mask[n, og(ci), t, position] * sample(input[n,ci], y_t, x_t)
// with the sampling point of deform_conv2d_direct, as deform_conv2d_im2col, over an input that deform_conv2d_pack_input has packed.
//
// The part sampling_columns has the walk over the channels; here the corners of four channels are four loads, whose addresses advance
// by constant steps.
// Dispatch: ceil(batch * offset_groups * ceil(channels / CHANNELS) * T * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK, CHANNELS, PARTIAL.

@group(0) @binding(1) var<storage, read> packed: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> offset: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read_write> columns: array<f32>;
