// needs: nothing
// Elements of the input at four positions of a lane, channel by channel. Wants the binding `input`.

// Where a position reads in channel 0 of a chunk, and whether what it reads counts.
struct Source {
    ix: u32,
    inside: bool,
}

fn load_positions(at: vec4<u32>, inside: vec4<bool>) -> vec4<f32> {
    return select(vec4<f32>(), vec4<f32>(load_input(at.x), load_input(at.y), load_input(at.z), load_input(at.w)), inside);
}

// Channel j of a chunk that `left` channels are left of. Behind the last one the first is read, and dropped.
fn load_channel(j: u32, left: u32, at: vec4<u32>, inside: vec4<bool>) -> vec4<f32> {
    let exists = j < left;
    return load_positions(at + select(0u, j * params.input.c, exists), inside & vec4<bool>(exists));
}
