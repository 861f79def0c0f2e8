// needs: classify
// Zero-extended bilinear interpolation: which four elements, and with which weights.

struct BilinearTaps {
    // Rows and columns of the corners (y0,x0) (y0,x1) (y1,x0) (y1,x1), clamped into the image.
    y: vec4<u32>,
    x: vec4<u32>,
    weight: vec4<f32>,
    // Which corners lie in the image; the others count as zero.
    valid: vec4<bool>,
    // How far the point lies behind (y0,x0).
    fraction: vec2<f32>,
    // False where the point lies at least one pixel outside, or is not finite: the sample is 0.
    inside: bool,
}

// Of a point so far behind (y0,x0).
fn corner_weights(fy: f32, fx: f32) -> vec4<f32> {
    return vec4<f32>((1.0 - fy) * (1.0 - fx), (1.0 - fy) * fx, fy * (1.0 - fx), fy * fx);
}

// The cell of a point with -1 <= y < height and -1 <= x < width.
fn bilinear_cell(y: f32, x: f32, height: u32, width: u32) -> BilinearTaps {
    var taps: BilinearTaps;
    taps.inside = y > -1.0 && x > -1.0;
    let y_floor = floor(y);
    let x_floor = floor(x);
    let fy = y - y_floor;
    let fx = x - x_floor;
    let y0 = i32(y_floor);
    let x0 = i32(x_floor);
    let has_y0 = y0 >= 0;
    let has_x0 = x0 >= 0;
    let has_y1 = y0 + 1 < i32(height);
    let has_x1 = x0 + 1 < i32(width);
    let y0_ix = u32(max(y0, 0));
    let x0_ix = u32(max(x0, 0));
    let y1_ix = u32(min(y0 + 1, i32(height) - 1));
    let x1_ix = u32(min(x0 + 1, i32(width) - 1));
    taps.y = vec4<u32>(y0_ix, y0_ix, y1_ix, y1_ix);
    taps.x = vec4<u32>(x0_ix, x1_ix, x0_ix, x1_ix);
    taps.weight = corner_weights(fy, fx);
    taps.valid = vec4<bool>(has_y0 && has_x0, has_y0 && has_x1, has_y1 && has_x0, has_y1 && has_x1);
    taps.fraction = vec2<f32>(fy, fx);
    return taps;
}

// Whether a point has a cell. At -1 exactly the sample is 0, but its derivative is that of the cell towards the image.
fn has_cell(y: f32, x: f32, height: u32, width: u32) -> bool {
    return is_finite(y) && is_finite(x) && y >= -1.0 && x >= -1.0 && y < f32(height) && x < f32(width);
}

fn bilinear_taps(y: f32, x: f32, height: u32, width: u32) -> BilinearTaps {
    var taps: BilinearTaps;
    taps.inside = false;
    if has_cell(y, x, height, width) {
        taps = bilinear_cell(y, x, height, width);
    }
    return taps;
}
