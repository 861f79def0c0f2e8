// Stores the sums of up to 8 output channels of one position, each through the epilogue.

fn write_tile(n: u32, co: u32, n_co: u32, p: vec3<u32>, low: vec4<f32>, high: vec4<f32>) {
    write_output(n, co, p, low.x);
    if n_co > 1u { write_output(n, co + 1u, p, low.y); }
    if n_co > 2u { write_output(n, co + 2u, p, low.z); }
    if n_co > 3u { write_output(n, co + 3u, p, low.w); }
    if n_co > 4u { write_output(n, co + 4u, p, high.x); }
    if n_co > 5u { write_output(n, co + 5u, p, high.y); }
    if n_co > 6u { write_output(n, co + 6u, p, high.z); }
    if n_co > 7u { write_output(n, co + 7u, p, high.w); }
}
