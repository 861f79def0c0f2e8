// needs: view
// The uniform of the sum over slices. The view of the input has the stride of slices in `n`, that of rows in `c`; the
// positions of a row unravel into `size`.

struct SumParams {
    input: View,
    output: View,
    size: vec3<u32>,
    rows: u32,
    slices: u32,
    // factor of what the output held before
    beta: f32,
    reserved0: u32,
    reserved1: u32,
}

@group(0) @binding(0) var<uniform> params: SumParams;
