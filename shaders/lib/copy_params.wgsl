// needs: nothing
// The uniform of the copies between a tensor and the workspace. The five axes of the tensor are sorted from the coarsest
// stride to the finest; the outermost one stands by itself.

struct CopyParams {
    strides: vec4<u32>,
    extents: vec4<u32>,
    outer_stride: u32,
    outer_extent: u32,
    // first element of the tensor in its binding
    base: u32,
    // elements from the tensor's first to its last one, gaps included
    span: u32,
}

@group(0) @binding(0) var<uniform> params: CopyParams;
