// needs: view
// Where tap `tap` of offset group `offset_group` samples for output position `o`, and what the sample is multiplied with. Needs the
// bindings offset and mask.

fn sampling_point(n: u32, offset_group: u32, tap: u32, o: vec3<u32>) -> vec2<f32> {
    return grid_point(tap, o) + sampling_offset(n, offset_group, tap, o);
}

// Without the offset.
fn grid_point(tap: u32, o: vec3<u32>) -> vec2<f32> {
    let kernel = params.kernel_size;
    let k = vec2<u32>(tap / kernel.z, tap % kernel.z);
    return vec2<f32>(vec2<i32>(o.yz * params.stride.yz + k * params.dilation.yz) - vec2<i32>(params.pad_begin.yz));
}

fn sampling_offset(n: u32, offset_group: u32, tap: u32, o: vec3<u32>) -> vec2<f32> {
    let channel = 2u * (offset_group * params.kernel_size.y * params.kernel_size.z + tap);
    let y = load_offset(view_index(params.offset, n, channel, o));
    let x = load_offset(view_index(params.offset, n, channel + 1u, o));
    return vec2<f32>(y, x);
}

fn modulation_at(n: u32, offset_group: u32, tap: u32, o: vec3<u32>) -> f32 {
    if HAS_MASK {
        let channel = offset_group * params.kernel_size.y * params.kernel_size.z + tap;
        return load_mask(view_index(params.mask, n, channel, o));
    }
    return 1.0;
}
