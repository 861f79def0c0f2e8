// needs: window_params shuffle
// output[n, channel, y, x] = input[n, c, y*r + i, x*r + j], r = block
// channel = (c*r + i)*r + j (CRD), or (i*r + j)*C + c with C input channels (DCR)
//
// The part shuffle has the main: one invocation copies one element.
// Dispatch: ceil(output elements / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, DCR.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

fn source_at(c: u32, o: vec3<u32>) -> ShuffleSource {
    let block = params.block;
    let area = block * block;
    var channel = c / area;
    var within = c % area;
    if DCR {
        channel = c % params.c_in;
        within = c / params.c_in;
    }
    return ShuffleSource(channel, vec3<u32>(0u, o.y * block + within / block, o.z * block + within % block));
}
