// needs: nothing
// Which taps of a window read inside: a bit for each, in their order. For at most 32 taps.

fn tap_mask(first: vec3<i32>, step: vec3<i32>, taps: vec3<u32>, size: vec3<u32>) -> u32 {
    var mask = 0u;
    var bit = 1u;
    for (var z = 0u; z < taps.x; z++) {
        for (var y = 0u; y < taps.y; y++) {
            for (var x = 0u; x < taps.z; x++) {
                let p = bitcast<vec3<u32>>(first + vec3<i32>(vec3<u32>(z, y, x)) * step);
                mask |= select(0u, bit, all(p < size));
                bit <<= 1u;
            }
        }
    }
    return mask;
}
