// needs: nothing
// Where a tensor's elements lie in its binding, in elements; axes that it lacks have stride 0.

struct View {
    base: u32,
    n: u32,
    c: u32,
    d: u32,
    h: u32,
    w: u32,
    reserved0: u32,
    reserved1: u32,
}

fn view_index(view: View, n: u32, c: u32, p: vec3<u32>) -> u32 {
    return view.base + n * view.n + c * view.c + p.x * view.d + p.y * view.h + p.z * view.w;
}
