// needs: nothing
// From f32 to f16 and its five bits of exponent: data are scaled by a power of two that brings the largest finite magnitude of some
// of them, their peak, to 2^14..2^15, so that nothing overflows and what is lost at the lower end is small beside the peak.

// Bits of the largest finite magnitude, which order as the magnitudes do.
fn peak(quad: vec4<f32>) -> u32 {
    let bits = bitcast<vec4<u32>>(quad) & vec4<u32>(0x7fffffffu);
    let finite = select(bits, vec4<u32>(), bits >= vec4<u32>(0x7f800000u));
    return max(max(finite.x, finite.y), max(finite.z, finite.w));
}

// The exponent of the power of two that brings a peak to 2^14..2^15, or as near as an f32 can.
fn scale_of(peak: u32) -> i32 {
    return min(141 - i32(max(peak >> 23u, 1u)), 126);
}

fn power_of_two(exponent: i32) -> f32 {
    return bitcast<f32>(u32(exponent + 127) << 23u);
}

// The normal f16 of least magnitude.
const SMALLEST: f32 = 0.00006103515625;

// Rounded to 11 bits, which f16 has; the device's own conversion may round or truncate. What is not finite stays so.
fn high_part(quad: vec4<f32>) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(quad);
    let rounded = bitcast<vec4<f32>>((bits + vec4<u32>(0x1000u)) & vec4<u32>(0xffffe000u));
    let kept = select(rounded, quad, (bits & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u));
    return select(kept, vec4<f32>(), abs(kept) < vec4<f32>(SMALLEST));
}
