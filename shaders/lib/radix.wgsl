// needs: nothing
// A stable radix sort of `sequences` sequences of `len` keys each, one digit a pass. An invocation takes a run of RUN keys
// and counts, later places, them one by one: the order of equal keys is kept without atomics.
//
// The method is that of H. H. Seward (1954); per-run counts scanned digit by digit make it parallel (M. Zagha and G. E.
// Blelloch, Radix sort for vector multiprocessors, 1991).

const RADIX_BITS: u32 = 6u;
const N_DIGITS: u32 = 64u;
const RUN: u32 = 64u;

fn n_runs() -> u32 {
    return (params.len + RUN - 1u) / RUN;
}

// Digit of this pass; `shift` bits lie below it.
fn digit_of(key: u32) -> u32 {
    return (key >> params.shift) & (N_DIGITS - 1u);
}

// Place of a run's count of a digit: digit-major, so that a scan of a sequence's table yields places in sorted order.
fn table_ix(sequence: u32, digit: u32, run: u32) -> u32 {
    return (sequence * N_DIGITS + digit) * n_runs() + run;
}
