// needs: padding
// Where a Winograd tile's patch of (TILE + 2)^2 elements lies, and its loads. Wants the binding `input`, TILE and the part
// padding.

// Where elements of one axis are, as distances, and which are inside: of four and of two more.
struct Line {
    at: vec4<u32>,
    more: vec2<u32>,
    inside: vec4<bool>,
    more_inside: vec2<bool>,
}

fn coordinates(start: i32, extent: u32, pad_end: u32) -> Line {
    let e = i32(extent);
    let p = vec4<i32>(
        padded_coordinate(start, e),
        padded_coordinate(start + 1, e),
        padded_coordinate(start + 2, e),
        padded_coordinate(start + 3, e),
    );
    var q = vec2<i32>(OUTSIDE);
    if TILE == 4u {
        q = vec2<i32>(padded_coordinate(start + 4, e), padded_coordinate(start + 5, e));
    }
    // What lies outside reads the first element and drops it. So does what lies behind the padding: a tile hangs over.
    let left = e + i32(pad_end) - start;
    let inside = (p != vec4<i32>(OUTSIDE)) & (vec4<i32>(0, 1, 2, 3) < vec4<i32>(left));
    let more_inside = (q != vec2<i32>(OUTSIDE)) & (vec2<i32>(4, 5) < vec2<i32>(left));
    return Line(
        select(vec4<u32>(), vec4<u32>(p), inside),
        select(vec2<u32>(), vec2<u32>(q), more_inside),
        inside,
        more_inside,
    );
}

fn load4(row: u32, exists: bool, columns: Line) -> vec4<f32> {
    let at = row + columns.at * params.input.w;
    let values = vec4<f32>(load_input(at.x), load_input(at.y), load_input(at.z), load_input(at.w));
    return select(vec4<f32>(), values, columns.inside & vec4<bool>(exists));
}

fn load6(row: u32, exists: bool, columns: Line) -> mat2x3<f32> {
    let low = load4(row, exists, columns);
    let at = row + columns.more * params.input.w;
    let high = select(vec2<f32>(), vec2<f32>(load_input(at.x), load_input(at.y)), columns.more_inside & vec2<bool>(exists));
    return mat2x3<f32>(low.xyz, vec3<f32>(low.w, high));
}
