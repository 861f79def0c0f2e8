// needs: window_params shuffle
// output[n, c, y*r + i, x*r + j] = input[n, channel, y, x], r = block
// channel = (c*r + i)*r + j (CRD), or (i*r + j)*C + c with C output channels (DCR)
//
// The part shuffle has the main: one invocation copies one element.
// Dispatch: ceil(output elements / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, DCR.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

fn source_at(c: u32, o: vec3<u32>) -> ShuffleSource {
    let block = params.block;
    let within = o % block;
    var channel = (c * block + within.y) * block + within.z;
    if DCR {
        channel = (within.y * block + within.z) * params.c_out + c;
    }
    return ShuffleSource(channel, vec3<u32>(0u, o.y / block, o.z / block));
}
