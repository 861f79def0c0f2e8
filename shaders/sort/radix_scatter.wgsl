// needs: sort_params grid radix
// sorted[sequence, place] = the sequence's element that belongs there after this pass
//
// One invocation places one run of RUN keys, in their present order, so equal digits stay in order. `table` holds where
// each digit of the run goes, and counts up.
// Dispatch: ceil(sequences * ceil(len / RUN) / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, FIRST.

@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> sorted: array<u32>;

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
    let start = sequence * params.len;
    let end = min((run + 1u) * RUN, params.len);
    for (var i = run * RUN; i < end; i++) {
        var element = i;
        if !FIRST {
            element = order[start + i];
        }
        let slot = table_ix(sequence, digit_of(keys[start + element]), run);
        let place = table[slot];
        table[slot] = place + 1u;
        // Cannot exceed: the counts of a sequence add up to its length.
        sorted[start + place] = element;
    }
}
