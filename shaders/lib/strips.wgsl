// needs: grid
// Elements below one another, up to ROWS of them, which share what depends on their column.

struct Strip {
    exists: bool,
    n: u32,
    c: u32,
    // Of the first one.
    d: u32,
    h: u32,
    w: u32,
    // Behind the last one.
    end_h: u32,
}

fn strip_at(ix: u32, channels: u32, size: vec3<u32>) -> Strip {
    let strips = vec3<u32>(size.x, (size.y + ROWS - 1u) / ROWS, size.z);
    let n_strips = strips.x * strips.y * strips.z;
    let at = unravel(ix % n_strips, strips);
    let n = ix / n_strips / channels;
    let h = at.y * ROWS;
    return Strip(n < params.batch, n, ix / n_strips % channels, at.x, h, at.z, min(h + ROWS, size.y));
}
