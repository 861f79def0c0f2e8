// needs: write_output
// Stores the sums of up to 8 output channels of one position, each through the epilogue. A loop, not eight calls: every
// call is a copy of the whole epilogue to drivers that inline.

fn write_tile(n: u32, co: u32, n_co: u32, p: vec3<u32>, low: vec4<f32>, high: vec4<f32>) {
    for (var i = 0u; i < n_co; i++) {
        let quad = select(low, high, i >= 4u);
        write_output(n, co + i, p, quad[i % 4u]);
    }
}
