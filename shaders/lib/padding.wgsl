// needs: nothing
// PyTorch's padding modes as a map of coordinates. PADDING_MODE comes from the prelude:
// 0 zeros, 1 reflect, 2 replicate, 3 circular.

const OUTSIDE: i32 = -1;

// Where coordinate `p` of an axis of `extent` elements reads, or OUTSIDE for a zero. Geometry keeps p within one
// reflection or one turn of the axis. One way out and little arithmetic: this is inlined many times, and some compilers
// take minutes over the branches or selects of every copy.
fn padded_coordinate(p: i32, extent: i32) -> i32 {
    let last = extent - 1;
    var inside = select(OUTSIDE, p, u32(p) < u32(extent));
    if PADDING_MODE == 1u {
        inside = last - abs(last - abs(p));
    } else if PADDING_MODE == 2u {
        inside = clamp(p, 0, last);
    } else if PADDING_MODE == 3u {
        inside = select(select(p, p - extent, p > last), p + extent, p < 0);
    }
    return inside;
}
