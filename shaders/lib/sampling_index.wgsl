// needs: grid
// A sampling point by its number: positions count fastest, then taps, parts of an offset group's channels, offset groups and images.

struct SamplingIndex {
    n: u32,
    offset_group: u32,
    part: u32,
    tap: u32,
    position: u32,
    // The position in the output.
    o: vec3<u32>,
}

fn sampling_index(ix: u32, n_parts: u32) -> SamplingIndex {
    let n_positions = params.output_size.y * params.output_size.z;
    let n_taps = params.kernel_size.y * params.kernel_size.z;
    let position = ix % n_positions;
    let tap = ix / n_positions % n_taps;
    let part = ix / n_positions / n_taps % n_parts;
    let sequence = ix / n_positions / n_taps / n_parts;
    let o = unravel(position, params.output_size);
    return SamplingIndex(sequence / params.offset_groups, sequence % params.offset_groups, part, tap, position, o);
}
