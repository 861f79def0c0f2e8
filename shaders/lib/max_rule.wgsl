// When a later candidate replaces the running maximum: strictly greater, or NaN over a number. Bits decide about NaN:
// compilers may assume that there is none.

fn is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

fn replaces(candidate: f32, best: f32) -> bool {
    return !is_nan(best) && (candidate > best || is_nan(candidate));
}
