// needs: sort_params grid radix
// table[sequence, digit, run] = number of keys in the run with that digit
//
// One invocation counts one run of RUN keys, in their present order; FIRST: they are not permuted yet.
// Dispatch: ceil(sequences * ceil(len / RUN) / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, FIRST.

@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> table: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let run = ix % n_runs();
    let sequence = ix / n_runs();
    if sequence >= params.sequences {
        return;
    }
    for (var digit = 0u; digit < N_DIGITS; digit++) {
        table[table_ix(sequence, digit, run)] = 0u;
    }
    let start = sequence * params.len;
    let end = min((run + 1u) * RUN, params.len);
    for (var i = run * RUN; i < end; i++) {
        var place = i;
        if !FIRST {
            place = order[start + i];
        }
        table[table_ix(sequence, digit_of(keys[start + place]), run)] += 1u;
    }
}
