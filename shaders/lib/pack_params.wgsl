// needs: nothing
// The uniform of the kernel that packs rows of weights. Strides and `base` are those of the weight; a pitch is an extent with
// the zeros that fill the last tile or chunk.

struct PackParams {
    groups: u32,
    taps: u32,
    rows: u32,
    row_pitch: u32,
    columns: u32,
    column_pitch: u32,
    base: u32,
    group_stride: u32,
    tap_stride: u32,
    row_stride: u32,
    column_stride: u32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: PackParams;
