// needs: window_params row_quads wide_taps
// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// As `conv_subgroup_wide`, but of a row two vec4s (four at STRIDE_W 2) are loaded and the few elements beside
// them. For rows that start at multiples of
// four elements and are as long, without dilation along them, and zero padding of up to four elements: a vec4 lies inside or outside as a whole.
// Dispatch: as `conv_subgroup_wide`.
// Prelude: WORKGROUP, PADDING_MODE (0), STEP (4 or 8, no more than a subgroup has lanes), TILE_CO (multiple of 4 up to 32), KERNEL_W
// (up to 9), STRIDE_W (1 or 2; 2 for up to 5 taps), PHASED, PHASE_W, PAD_W (up to 4, and KERNEL_W - STRIDE_W - PAD_W up to 4).

@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const SEPARATE: bool = false;
// Elements beyond the vec4s in the middle that windows see.
const RIGHT: i32 = i32(KERNEL_W) - i32(STRIDE_W) - i32(PAD_W);

// The vec4s of a row from `quad` on, which of them lie inside, and their neighbours.
struct Place {
    quad: u32,
    inside: vec4<bool>,
    before: bool,
    behind: bool,
}

fn place_columns(first: i32, distance: i32) -> Place {
    let quad = u32(first + i32(PAD_W)) / 4u;
    let n_quads = params.input_size.z / 4u;
    let inside = vec4<u32>(quad) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(n_quads);
    let before = quad != 0u && quad <= n_quads;
    return Place(quad, inside, before, (quad + 2u * STRIDE_W < n_quads));
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

fn load_channel(row: u32, place: Place, exists: bool) -> Rows {
    let somewhere = row / 4u;
    let at = somewhere + place.quad;
    let before = load_last(at - 1u, somewhere, exists && place.before, PAD_W);
    let behind = load_first(at + 2u * STRIDE_W, somewhere, exists && place.behind, RIGHT);
    let quad_0 = load_whole(at, somewhere, exists && place.inside.x);
    let quad_1 = load_whole(at + 1u, somewhere, exists && place.inside.y);
    let none = vec4<f32>();
    if STRIDE_W == 1u {
        let row = Row(padded(before, quad_0), padded(quad_0, quad_1), padded(quad_1, behind), padded(behind, none));
        return Rows(row, Row());
    }
    let quad_2 = load_whole(at + 2u, somewhere, exists && place.inside.z);
    let quad_3 = load_whole(at + 3u, somewhere, exists && place.inside.w);
    let a = padded(before, quad_0);
    let b = padded(quad_0, quad_1);
    let c = padded(quad_1, quad_2);
    let d = padded(quad_2, quad_3);
    let e = padded(quad_3, behind);
    let f = padded(behind, none);
    return Rows(
        Row(vec4<f32>(a.xz, b.xz), vec4<f32>(c.xz, d.xz), vec4<f32>(e.xz, f.xz), none),
        Row(vec4<f32>(a.yw, b.yw), vec4<f32>(c.yw, d.yw), vec4<f32>(e.yw, f.yw), none),
    );
}
