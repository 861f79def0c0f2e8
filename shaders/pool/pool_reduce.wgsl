// needs: view window_params grid lp_norm max_rule
// output[n,c] = mean, maximum or p-norm of the whole plane input[n,c]: global pooling
//
// One workgroup reduces one plane: each invocation folds every WORKGROUP-th element, then a tree over workgroup memory
// whose order is fixed, so the bits are the same every time. The maximum carries its index, of ties the lowest wins.
// Dispatch: batch * channels workgroups, folded.
// Prelude: WORKGROUP, MODE (0 maximum, 1 mean, 2 p-norm), HAS_INDICES.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read_write> indices: array<u32>;

const_assert 0u == (WORKGROUP & (WORKGROUP - 1u));
const NO_INDEX: u32 = 0xffffffffu;

var<workgroup> sh_value: array<f32, WORKGROUP>;
var<workgroup> sh_index: array<u32, WORKGROUP>;

struct Candidate {
    value: f32,
    index: u32,
}

fn better(a: Candidate, b: Candidate) -> Candidate {
    if a.index == NO_INDEX {
        return b;
    }
    if b.index == NO_INDEX {
        return a;
    }
    // The one that comes first in scan order holds the field; the other must replace it.
    let a_first = a.index < b.index;
    let first = Candidate(select(b.value, a.value, a_first), min(a.index, b.index));
    let second = Candidate(select(a.value, b.value, a_first), max(a.index, b.index));
    if replaces(second.value, first.value) {
        return second;
    }
    return first;
}

fn combine(a: Candidate, b: Candidate) -> Candidate {
    if MODE == 0u {
        return better(a, b);
    }
    return Candidate(a.value + b.value, NO_INDEX);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let plane_ix = linear_workgroup(workgroup, grid);
    if plane_ix >= params.batch * params.c_out {
        return;
    }
    let n = plane_ix / params.c_out;
    let c = plane_ix % params.c_out;
    let n_elements = params.input_size.x * params.input_size.y * params.input_size.z;
    var mine = Candidate(0.0, NO_INDEX);
    for (var i = local_ix; i < n_elements; i += WORKGROUP) {
        var value = load_input(view_index(params.input, n, c, unravel(i, params.input_size)));
        if MODE == 2u {
            value = power(abs(value), params.exponent);
        }
        mine = combine(mine, Candidate(value, i));
    }
    sh_value[local_ix] = mine.value;
    sh_index[local_ix] = mine.index;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local_ix < half {
            let other = local_ix + half;
            let both = combine(
                Candidate(sh_value[local_ix], sh_index[local_ix]),
                Candidate(sh_value[other], sh_index[other]),
            );
            sh_value[local_ix] = both.value;
            sh_index[local_ix] = both.index;
        }
        workgroupBarrier();
    }
    if local_ix == 0u {
        var value = sh_value[0];
        if MODE == 1u {
            value /= f32(select(n_elements, params.divisor, params.divisor != 0u));
        } else if MODE == 2u {
            value = root(value, params.exponent);
        }
        store_output(view_index(params.output, n, c, vec3<u32>(0u)), value);
        if HAS_INDICES {
            indices[view_index(params.indices, n, c, vec3<u32>(0u))] = sh_index[0];
        }
    }
}
