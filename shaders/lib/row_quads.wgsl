// needs: nothing
// Rows of the input by vec4s, for rows that start at multiples of four elements and are as long: a vec4 lies inside or outside as
// a whole. Wants the binding `input`, of vec4s.

// A vec4 of a row; where there is none, element `somewhere` is loaded and dropped.
fn load_whole(ix: u32, somewhere: u32, inside: bool) -> vec4<f32> {
    return select(vec4<f32>(), load_input(select(somewhere, ix, inside)), inside);
}

// Likewise of its last `count` elements.
fn load_last(ix: u32, somewhere: u32, inside: bool, count: u32) -> vec4<f32> {
    let at = select(somewhere, ix, inside);
    if count == 0u {
        return vec4<f32>();
    }
    if count == 1u {
        return select(vec4<f32>(), vec4<f32>(0.0, 0.0, 0.0, component_input(at, 3u)), inside);
    }
    if count == 2u {
        return select(vec4<f32>(), vec4<f32>(0.0, 0.0, component_input(at, 2u), component_input(at, 3u)), inside);
    }
    return load_whole(ix, somewhere, inside);
}

// Likewise of its first `count` elements.
fn load_first(ix: u32, somewhere: u32, inside: bool, count: i32) -> vec4<f32> {
    let at = select(somewhere, ix, inside);
    if count <= 0 {
        return vec4<f32>();
    }
    if count == 1 {
        return select(vec4<f32>(), vec4<f32>(component_input(at, 0u), 0.0, 0.0, 0.0), inside);
    }
    if count == 2 {
        return select(vec4<f32>(), vec4<f32>(component_input(at, 0u), component_input(at, 1u), 0.0, 0.0), inside);
    }
    return load_whole(ix, somewhere, inside);
}
