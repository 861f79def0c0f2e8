// needs: classify
// When a later candidate replaces the running maximum: strictly greater, or NaN over a number.

fn replaces(candidate: f32, best: f32) -> bool {
    return !is_nan(best) && (candidate > best || is_nan(candidate));
}
