// The weights of four rows that a lane holds for its subgroup. Wants the binding `weight`.

fn load_weights(at: vec4<u32>, exists: bool) -> vec4<f32> {
    return select(vec4<f32>(), vec4<f32>(weight[at.x], weight[at.y], weight[at.z], weight[at.w]), exists);
}
