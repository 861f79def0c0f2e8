// needs: window_params scalar_corners sampling_gradients
// grad_mask[n,og,t,o] = sum_ci c * s, grad_offset[n,og,t,{y,x},o] = mask * sum_ci c * ds/d{y,x}, columns = mask * s
// with c = grad_columns[n, ci*T + t, o], s the sample of input[n,ci] at the point, ci over the offset group's channels;
// grad_mask and grad_offset accumulate with beta.
//
// The part sampling_gradients has the walk over the channels; here the corners of four channels are sixteen loads.
// Dispatch: ceil(batch * offset_groups * T * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK, GRAD_OFFSET, GRAD_MASK, COLUMNS, PARTIAL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> offset: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read> grad_columns: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_offset: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_mask: array<f32>;
@group(0) @binding(7) var<storage, read_write> columns: array<f32>;
