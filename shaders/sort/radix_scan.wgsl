// needs: sort_params grid radix
// table[sequence, i] = sum_{j < i} table[sequence, j]: counts become the places where each run's keys of a digit go
//
// One workgroup scans the table of one sequence: every invocation adds up its stretch, the totals are scanned over
// workgroup memory, and each stretch is written from there on.
// Dispatch: sequences workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read_write> table: array<u32>;

const_assert 0u == (WORKGROUP & (WORKGROUP - 1u));

var<workgroup> sh_total: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    // Uniform per workgroup, so the barriers below are reached by all or none.
    let sequence = linear_workgroup(workgroup, grid);
    if sequence >= params.sequences {
        return;
    }
    let n_counts = N_DIGITS * n_runs();
    let stretch = (n_counts + WORKGROUP - 1u) / WORKGROUP;
    let start = sequence * n_counts;
    let first = min(local_ix * stretch, n_counts);
    let end = min(first + stretch, n_counts);
    var total = 0u;
    for (var i = first; i < end; i++) {
        total += table[start + i];
    }
    sh_total[local_ix] = total;
    workgroupBarrier();
    for (var distance = 1u; distance < WORKGROUP; distance *= 2u) {
        var before = 0u;
        if local_ix >= distance {
            before = sh_total[local_ix - distance];
        }
        workgroupBarrier();
        sh_total[local_ix] += before;
        workgroupBarrier();
    }
    var place = sh_total[local_ix] - total;
    for (var i = first; i < end; i++) {
        let count = table[start + i];
        table[start + i] = place;
        place += count;
    }
}
