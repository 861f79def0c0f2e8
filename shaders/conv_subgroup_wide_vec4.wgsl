// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// As `conv_subgroup_wide`, but of a row two vec4s are loaded and the few elements beside them. For rows that start at multiples of
// four elements and are as long, without dilation along them, and zero padding of up to four elements: a vec4 lies inside or outside as a whole.
// Dispatch: as `conv_subgroup_wide`.
// Prelude: WORKGROUP, PADDING_MODE (0), STEP (4 or 8, no more than a subgroup has lanes), TILE_CO (multiple of 4 up to 32), KERNEL_W
// (2 to 9; the stride along the row is 1), PAD_W (up to 4, and KERNEL_W - 1 - PAD_W up to 4).

@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Elements beyond the two vec4s that windows see.
const RIGHT: i32 = i32(KERNEL_W) - 1 - i32(PAD_W);

// The two vec4s of a row, and whether they and their neighbours lie inside.
struct Place {
    quad: u32,
    first: bool,
    second: bool,
    before: bool,
    behind: bool,
}

fn place_columns(first: i32, distance: i32) -> Place {
    let quad = u32(first + i32(PAD_W)) / 4u;
    let n_quads = params.input_size.z / 4u;
    let before = quad != 0u && quad <= n_quads;
    return Place(quad, (quad < n_quads), (quad + 1u < n_quads), before, (quad + 2u < n_quads));
}

// Four columns of a row, PAD_W before the last of these two vec4s.
fn padded(before: vec4<f32>, quad: vec4<f32>) -> vec4<f32> {
    if PAD_W == 0u {
        return quad;
    }
    if PAD_W == 1u {
        return vec4<f32>(before.w, quad.xyz);
    }
    if PAD_W == 2u {
        return vec4<f32>(before.zw, quad.xy);
    }
    if PAD_W == 3u {
        return vec4<f32>(before.yzw, quad.x);
    }
    return before;
}

fn load_channel(row: u32, place: Place, exists: bool) -> Row {
    let somewhere = row / 4u;
    let at = somewhere + place.quad;
    let before = load_last(at - 1u, somewhere, exists && place.before, PAD_W);
    let first = load_whole(at, somewhere, exists && place.first);
    let second = load_whole(at + 1u, somewhere, exists && place.second);
    let behind = load_first(at + 2u, somewhere, exists && place.behind, RIGHT);
    return Row(padded(before, first), padded(first, second), padded(second, behind), padded(behind, vec4<f32>()));
}
