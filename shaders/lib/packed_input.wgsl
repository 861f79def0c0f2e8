// needs: nothing
// The input of a deformable convolution packed for vec4 loads: packed[n, og, quad, y + 1, x + 1] holds channels 4·quad to
// 4·quad + 3 of an offset group at pixel (y, x). A quad never leaves its offset group: behind the last channel it repeats it.
// A frame of zeros, one pixel wide, surrounds every plane, so all four corners of a cell exist and none has to be judged.

fn n_quads() -> u32 {
    return (params.c_in / params.offset_groups + 3u) / 4u;
}

fn packed_pitch() -> u32 {
    return params.input_size.z + 2u;
}

fn packed_plane() -> u32 {
    return (params.input_size.y + 2u) * packed_pitch();
}

struct PackedCell {
    // Of corner (y0,x0) in the first plane of the offset group; (y0,x1) is the next element.
    first: u32,
    // Distance of row y1.
    below: u32,
}

// The cell of a point. One that has none reads zeros: both its rows are the top of the frame.
fn packed_cell(n: u32, offset_group: u32, point: vec2<f32>, has_one: bool) -> PackedCell {
    let corner = vec2<u32>(vec2<i32>(floor(select(vec2<f32>(-1.0), point, has_one))) + 1);
    let image = (n * params.offset_groups + offset_group) * n_quads() * packed_plane();
    return PackedCell(image + corner.x * packed_pitch() + corner.y, select(0u, packed_pitch(), has_one));
}
