// needs: lane_place
// Of the part lane_tile, where the products of a tap are the input channels: elements of the input at four positions of a lane, channel
// by channel. Wants the binding `input`.

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

// Of a chunk.
struct Reads {
    // Where the four positions read its first channel, and whether what they read counts.
    at: vec4<u32>,
    inside: vec4<bool>,
    // The weight of its first channel in a row, and the distance of channels there.
    weight: u32,
    weight_pitch: u32,
}

fn reads_from(s_0: Source, s_1: Source, s_2: Source, s_3: Source, weight: u32, weight_pitch: u32) -> Reads {
    let inside = vec4<bool>(s_0.inside, s_1.inside, s_2.inside, s_3.inside);
    return Reads(vec4<u32>(s_0.ix, s_1.ix, s_2.ix, s_3.ix), inside, weight, weight_pitch);
}

fn chunk_at(frame: Frame, reads: Reads, lane: u32, left: u32) -> Chunk {
    let at = reads.at;
    let inside = reads.inside;
    let x_low = mat4x4<f32>(
        load_positions(at, inside),
        load_channel(1u, left, at, inside),
        load_channel(2u, left, at, inside),
        load_channel(3u, left, at, inside),
    );
    var x_high = mat4x4<f32>();
    if STEP > 4u {
        x_high = mat4x4<f32>(
            load_channel(4u, left, at, inside),
            load_channel(5u, left, at, inside),
            load_channel(6u, left, at, inside),
            load_channel(7u, left, at, inside),
        );
    }
    let weight_ix = reads.weight + select(0u, lane, lane < left) * reads.weight_pitch;
    let pitch = reads.weight_pitch;
    return Chunk(x_low, x_high, weight_ix, Reads(at + STEP * params.input.c, inside, reads.weight + STEP * pitch, pitch));
}
