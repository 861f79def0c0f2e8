// needs: window_params packed_input sampling_gradients
// grad_mask[n,og,t,o] = sum_ci c * s, grad_offset[n,og,t,{y,x},o] = mask * sum_ci c * ds/d{y,x}, columns = mask * s
// with c = grad_columns[n, ci*T + t, o], s the sample of input[n,ci] at the point, ci over the offset group's channels;
// grad_mask and grad_offset accumulate with beta.
//
// The part sampling_gradients has the walk over the channels; here the corners of four channels are four loads of an input that
// deform_conv2d_pack_input has packed.
// Dispatch: ceil(batch * offset_groups * T * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK, GRAD_OFFSET, GRAD_MASK, COLUMNS, PARTIAL.

@group(0) @binding(1) var<storage, read> packed: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> offset: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read> grad_columns: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_offset: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_mask: array<f32>;
@group(0) @binding(7) var<storage, read_write> columns: array<f32>;

alias Corners = PackedCell;

fn corners_at(n: u32, offset_group: u32, at: vec2<f32>, inside: bool) -> Corners {
    return packed_cell(n, offset_group, at, inside);
}

// A column a corner, a row a channel.
fn corners_of(corners: Corners, quad: u32, ci: vec4<u32>) -> mat4x4<f32> {
    let upper = corners.first + quad * packed_plane();
    let lower = upper + corners.below;
    return mat4x4<f32>(packed[upper], packed[upper + 1u], packed[lower], packed[lower + 1u]);
}
