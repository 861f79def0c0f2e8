// needs: window_params grid cells
// order[n,og] = listed[n,og] with the points of each cell ascending: the one order that a stable sort by cell has, whatever order
// the atomics of deform_conv2d_cells left them in, so sums over it have the same bits in every run
//
// One workgroup takes a run of LIST_RUN places of a list. A point of a cell of fewer points counts those before it: about as many
// loads as a cell has points, nine for a 3x3 kernel. In a cell of LIST_RUN or more that would take a time that grows with its square.
// Such a cell contains places where runs start, and their workgroups share it: each takes its windows of WINDOW points, marks those
// of the cell in a map of bits, and writes the marked ones in ascending order behind those of the windows before, which it counts. A
// workgroup reads the cell once for each of its windows, and a cell of many points has more workgroups than there are windows.
// Dispatch: batch * offset_groups * ceil(kh * kw * positions / LIST_RUN) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read> listed: array<u32>;
@group(0) @binding(4) var<storage, read_write> order: array<u32>;

const WORDS: u32 = 2048u;
const WINDOW: u32 = 32u * WORDS;
const STRETCH: u32 = WORDS / WORKGROUP;
const_assert STRETCH * WORKGROUP == WORDS;
const_assert 0u == LIST_RUN % WORKGROUP;

struct Crowd {
    // Of the cell in the list; empty where none is shared.
    begin: u32,
    end: u32,
    // The first window of this workgroup, and how many workgroups take turns.
    window: u32,
    workgroups: u32,
}

var<workgroup> sh_crowd: Crowd;
var<workgroup> sh_marks: array<atomic<u32>, WORDS>;
// Of the stretches of words up to this one, and of the windows before.
var<workgroup> sh_sum: array<vec2<u32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid);
    let n_runs = (n_points() + LIST_RUN - 1u) / LIST_RUN;
    let sequence = ix / n_runs;
    // Uniform per workgroup, so the barriers below are reached by all or none.
    if sequence >= params.batch * params.offset_groups {
        return;
    }
    let list = sequence * n_points();
    let cell_list = sequence * (n_cells() + 1u);
    let first = ix % n_runs * LIST_RUN;
    let end = min(first + LIST_RUN, starts[cell_list + n_cells()]);
    if local_ix == 0u {
        sh_crowd = Crowd(0u, 0u, 0u, 1u);
    }
    for (var place = first + local_ix; place < end; place += WORKGROUP) {
        let point = listed[list + place];
        let cell = cell_list + keys[list + point];
        let cell_begin = starts[cell];
        let cell_end = starts[cell + 1u];
        if cell_end - cell_begin < LIST_RUN {
            var rank = 0u;
            for (var i = cell_begin; i < cell_end; i++) {
                rank += select(0u, 1u, listed[list + i] < point);
            }
            order[list + cell_begin + rank] = point;
        } else if place == first {
            let first_run = (cell_begin + LIST_RUN - 1u) / LIST_RUN;
            let last_run = (cell_end - 1u) / LIST_RUN;
            sh_crowd = Crowd(cell_begin, cell_end, first / LIST_RUN - first_run, last_run - first_run + 1u);
        }
    }

    let crowd = workgroupUniformLoad(&sh_crowd);
    if crowd.end == 0u {
        return;
    }
    let n_windows = (n_points() + WINDOW - 1u) / WINDOW;
    for (var w = crowd.window; w < n_windows; w += crowd.workgroups) {
        let window = w * WINDOW;
        for (var word = local_ix; word < WORDS; word += WORKGROUP) {
            atomicStore(&sh_marks[word], 0u);
        }
        workgroupBarrier();
        var before = 0u;
        for (var i = crowd.begin + local_ix; i < crowd.end; i += WORKGROUP) {
            let point = listed[list + i];
            before += select(0u, 1u, point < window);
            // Of a point before the window it is huge.
            let bit = point - window;
            if bit < WINDOW {
                atomicOr(&sh_marks[bit / 32u], 1u << (bit % 32u));
            }
        }
        workgroupBarrier();
        var marked = 0u;
        for (var word = local_ix * STRETCH; word < (local_ix + 1u) * STRETCH; word++) {
            marked += countOneBits(atomicLoad(&sh_marks[word]));
        }
        sh_sum[local_ix] = vec2<u32>(marked, before);
        workgroupBarrier();
        for (var distance = 1u; distance < WORKGROUP; distance *= 2u) {
            var sum = vec2<u32>();
            if local_ix >= distance {
                sum = sh_sum[local_ix - distance];
            }
            workgroupBarrier();
            sh_sum[local_ix] += sum;
            workgroupBarrier();
        }
        var place = list + crowd.begin + sh_sum[WORKGROUP - 1u].y + sh_sum[local_ix].x - marked;
        for (var word = local_ix * STRETCH; word < (local_ix + 1u) * STRETCH; word++) {
            // Cannot loop more than 32 times: each turn takes the lowest bit away.
            for (var marks = atomicLoad(&sh_marks[word]); marks != 0u; marks &= marks - 1u) {
                order[place] = window + 32u * word + firstTrailingBit(marks);
                place++;
            }
        }
        // Before the marks and sums are overwritten.
        workgroupBarrier();
    }
}
