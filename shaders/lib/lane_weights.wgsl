// needs: nothing
// The weights of four rows that a lane holds for its subgroup. Wants the binding `weight`.

fn load_weights(at: vec4<u32>, exists: bool) -> vec4<f32> {
    return select(vec4<f32>(), vec4<f32>(load_weight(at.x), load_weight(at.y), load_weight(at.z), load_weight(at.w)), exists);
}
