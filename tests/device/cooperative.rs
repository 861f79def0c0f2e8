//! The tiles of cooperative matrices on any device with f16: the kernels as they are, their matrices emulated by the
//! invocations of a subgroup of any size. What real ones compute, `kernels.rs` judges where a device has them.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{agrees, integers, open, random};
use wgconv::gpu::Gpu;
use wgconv::program::{Dispatch, Operand, Program};
use wgconv::reference;
use wgconv::{Accuracy, Algorithm, Capabilities, Conv, Geometry, Inputs, Options, PaddingMode, Problem, TensorName};

/// A matrix of factors is where it lies in workgroup memory; one of sums are the elements of an invocation, every
/// SUBGROUP_SIZE-th. Sums are added in the order of k.
const EMULATED: &str = "
struct MatrixA { at: u32 }
struct MatrixB { at: u32 }
const N_HELD: u32 = SIDE * SIDE / SUBGROUP_SIZE;
struct MatrixC { held: array<f32, N_HELD> }
var<private> emulated_lane: u32;

fn emulated_multiply_add(a: MatrixA, b: MatrixB, c: MatrixC) -> MatrixC {
    var sum = c;
    for (var i = 0u; i < N_HELD; i++) {
        let at = emulated_lane + i * SUBGROUP_SIZE;
        for (var k = 0u; k < SIDE; k++) {
            let row = sh_rows[a.at + at / SIDE * ROW_PITCH + k];
            sum.held[i] += f32(row) * f32(sh_columns[b.at + k * COLUMN_PITCH + at % SIDE]);
        }
    }
    return sum;
}

fn emulated_scaled(sum: MatrixC, product: MatrixC, x: f32, y: f32) -> MatrixC {
    var scaled = sum;
    for (var i = 0u; i < N_HELD; i++) {
        scaled.held[i] += product.held[i] * x * y;
    }
    return scaled;
}
";

/// Likewise, of panels whose rows and columns are vec4s of neighbouring products.
const EMULATED_PACKED: &str = "
struct MatrixA { at: u32 }
struct MatrixB { at: u32 }
const N_HELD: u32 = SIDE * SIDE / SUBGROUP_SIZE;
struct MatrixC { held: array<f32, N_HELD> }
var<private> emulated_lane: u32;

fn emulated_multiply_add(a: MatrixA, b: MatrixB, c: MatrixC) -> MatrixC {
    var sum = c;
    for (var i = 0u; i < N_HELD; i++) {
        let at = emulated_lane + i * SUBGROUP_SIZE;
        for (var k = 0u; k < SIDE / 4u; k++) {
            let row = vec4<f32>(sh_rows[a.at + at / SIDE * PITCH + k]);
            let column = vec4<f32>(sh_columns[b.at + at % SIDE * PITCH + k]);
            sum.held[i] += row.x * column.x;
            sum.held[i] += row.y * column.y;
            sum.held[i] += row.z * column.z;
            sum.held[i] += row.w * column.w;
        }
    }
    return sum;
}
";

/// The module with emulated matrices; one that has none stays as it is.
fn emulated(source: &str) -> String {
    if !source.contains("coop_mat") {
        return source.into();
    }
    let replace = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "no {from:?} in the kernel");
        text.replace(from, to)
    };
    let types = source.lines().filter(|line| !line.starts_with("alias Matrix")).collect::<Vec<_>>().join("\n");
    assert!(types.len() < source.len());
    let common = [
        ("enable wgpu_cooperative_matrix;", ""),
        ("@builtin(subgroup_id) subgroup: u32,", ""),
        (
            "@builtin(subgroup_invocation_id) lane: u32,\n) {",
            ") {\n    let subgroup = local_ix / SUBGROUP_SIZE;\n    let lane = local_ix % SUBGROUP_SIZE;\n    emulated_lane = lane;",
        ),
        ("coopMultiplyAdd", "emulated_multiply_add"),
        (
            "coopStoreT(sum_00, &sh_sums[sums], SIDE);",
            "for (var j = 0u; j < N_HELD; j++) { sh_sums[sums + lane + j * SUBGROUP_SIZE] = sum_00.held[j]; }",
        ),
    ];
    let packed = [
        ("coopLoadT<MatrixA>(&sh_rows[", "MatrixA("),
        ("coopLoad<MatrixB>(&sh_columns[", "MatrixB("),
        ("], PITCH)", ")"),
    ];
    let staged = [
        // The device's own subgroups are other ones.
        ("subgroupMax", ""),
        ("if lane == 0u", "if true"),
        ("coopLoadT<MatrixA>(&sh_rows[", "MatrixA("),
        ("], ROW_PITCH)", ")"),
        ("coopLoadT<MatrixB>(&sh_columns[", "MatrixB("),
        ("], COLUMN_PITCH)", ")"),
        ("product + cross * (1.0 / 2048.0)", "emulated_scaled(product, cross, 1.0 / 2048.0, 1.0)"),
        ("sum + product * scale.x * scale.y", "emulated_scaled(sum, product, scale.x, scale.y)"),
    ];
    let apply = |text: String, changes: &[(&str, &str)]| {
        changes.iter().fold(text, |text, (before, after)| replace(text, before, after))
    };
    let text = apply(types, &common);
    if source.contains("coopLoad<MatrixB>") {
        return apply(text, &packed) + EMULATED_PACKED;
    }
    apply(text, &staged) + EMULATED
}

fn compile(device: &wgpu::Device, dispatch: &Dispatch) -> wgpu::ComputePipeline {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(emulated(&dispatch.variant.source(true)).into()),
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    })
}

/// A program over contiguous tensors, of which a problem here has all: what a shader does not use is not in its layout.
fn run(
    gpu: &Gpu,
    pipelines: &[wgpu::ComputePipeline],
    program: &Program,
    geometry: &Geometry,
    inputs: &Inputs,
) -> Vec<f32> {
    let device = gpu.device();
    let create = |bytes: &[u8], usage: wgpu::BufferUsages| {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes.len().max(256) as u64,
            usage: usage | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        gpu.queue().write_buffer(&buffer, 0, bytes);
        buffer
    };
    let n_outputs = geometry.output_shape().iter().product::<usize>();
    // Nothing relies on what it holds before.
    let unset = |bytes: u64| create(&vec![0xff; bytes as usize], wgpu::BufferUsages::STORAGE);
    let workspace = unset(program.workspace_bytes);
    let tensors: BTreeMap<TensorName, wgpu::Buffer> = geometry
        .tensors()
        .iter()
        .map(|spec| {
            let data = inputs.get(&spec.name).cloned().unwrap_or_else(|| vec![f32::NAN; n_outputs]);
            (spec.name, create(bytemuck::cast_slice(&data), wgpu::BufferUsages::STORAGE))
        })
        .collect();
    for (dispatch, pipeline) in program.launches().zip(pipelines) {
        let uniform = create(dispatch.params.bytes(), wgpu::BufferUsages::UNIFORM);
        let resource = |operand: &Operand| match operand {
            Operand::Tensor(name) => tensors[name].as_entire_binding(),
            Operand::Workspace { offset, bytes } => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &workspace,
                offset: *offset,
                size: std::num::NonZeroU64::new(*bytes),
            }),
            other => panic!("{other:?}"),
        };
        let entries: Vec<wgpu::BindGroupEntry<'_>> = std::iter::once(uniform.as_entire_binding())
            .chain(dispatch.operands.iter().map(resource))
            .enumerate()
            .map(|(i, resource)| wgpu::BindGroupEntry { binding: i as u32, resource })
            .collect();
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        // Folded, as large ones are.
        let [x, y, z] = dispatch.grid(24).expect("small");
        pass.dispatch_workgroups(x, y, z);
        drop(pass);
        gpu.queue().submit([encoder.finish()]);
    }
    let words = gpu.read_back(&tensors[&TensorName::Output]).expect("readback");
    bytemuck::cast_slice(&words)[..n_outputs].to_vec()
}

#[test]
fn emulated_matrices_agree_with_the_oracle() {
    let gpu = open();
    assert!(gpu.device().features().contains(wgpu::Features::SHADER_F16), "the tests' adapter has f16");
    let conv = |batch, c_in, size, c_out, kernel| Conv::new(batch, c_in, size, c_out, kernel).bias(true).residual(true);
    // Tiles cut short in every direction, channels beyond a panel, groups, steps and modes; enough tiles for the large one.
    let plain: Problem = conv(2, 19, [9, 11], 70, [3, 2]).padding(1).into();
    let grouped = conv(1, 10, [13, 12], 22, [2, 3]).groups(2).stride([2, 1]).padding(2);
    let grouped: Problem = grouped.padding_mode(PaddingMode::Reflect).into();
    let dilated: Problem = conv(1, 17, [11, 20], 65, [2, 2]).dilation([3, 2]).flip_kernel(true).into();
    let large: Problem = conv(1, 256, [2, 3], 128 * 65, [1, 1]).groups(128).into();
    let split = Algorithm::CooperativeGemm;
    let single = Algorithm::CooperativeGemmF16;
    let packed = Algorithm::CooperativePackedF16;
    // Several blocks of channels, images and parts of them; axes of one tap, whose image has its steps alone; every tile.
    let blocks: Problem = conv(3, 70, [6, 7], 75, [3, 3]).padding([[1, 2], [0, 1]]).stride([2, 1]).into();
    let steps: Problem = conv(2, 40, [9, 13], 33, [1, 3]).stride([2, 3]).dilation([1, 2]).groups(1).into();
    let groups: Problem =
        conv(2, 34, [8, 9], 66, [3, 2]).groups(2).padding(1).padding_mode(PaddingMode::Circular).into();
    let tall: Problem = conv(1, 16, [161, 160], 120, [1, 1]).into();
    let wide: Problem = conv(1, 16, [161, 160], 20, [1, 1]).into();
    let cases = [
        (&plain, 16, 32, split),
        (&plain, 8, 32, split),
        (&grouped, 16, 64, split),
        (&grouped, 16, 32, single),
        (&dilated, 16, 32, single),
        (&dilated, 16, 32, packed),
        (&plain, 16, 32, packed),
        (&blocks, 16, 32, packed),
        (&steps, 16, 32, packed),
        (&groups, 16, 32, packed),
        (&tall, 16, 32, packed),
        (&wide, 16, 32, packed),
        (&large, 16, 32, split),
    ];
    let mut labels = BTreeSet::new();
    for (problem, side, subgroup_size, algorithm) in cases {
        let geometry = Geometry::new(problem).expect("valid");
        let capabilities = Capabilities {
            cooperative_side: Some(side),
            subgroup_size: Some(subgroup_size),
            max_workgroup_bytes: 32 << 10,
            ..Capabilities::gpu()
        };
        let options = Options::default().accuracy(Accuracy::Half);
        let program = &wgconv::lower(&geometry, algorithm, &capabilities, &options).expect("applies");
        let pipelines: Vec<_> = program.launches().map(|dispatch| compile(gpu.device(), dispatch)).collect();
        let label = program.launches().last().expect("a program has some").variant.label();
        for (inputs, exact) in [(integers(problem, 1), true), (random(problem, 2), false)] {
            let want = reference::run_by(problem, &inputs, algorithm).expect("the operation has this algorithm");
            let got = run(&gpu, &pipelines, program, &geometry, &inputs);
            for (i, (&got, &value)) in got.iter().zip(&want.output).enumerate() {
                let tolerance = if exact { 0.0 } else { want.tolerance(i) };
                assert!(agrees(got, value, tolerance), "{label}: {got} at {i}, want {value} +- {tolerance}");
            }
        }
        labels.insert(label);
    }
    let shapes =
        ["4,SUBGROUPS_N=2,COLUMN_MATRICES=4", "2,SUBGROUPS_N=2,COLUMN_MATRICES=4", "2,SUBGROUPS_N=2,COLUMN_MATRICES=2"];
    let packed = shapes.map(|shape| format!("conv_coop_packed(SUBGROUPS_M={shape}"));
    let staged = ["conv_coop_gemm(SUBGROUPS_M=2", "conv_coop_gemm(SUBGROUPS_M=4", "conv_coop_gemm_8x8("];
    for tile in packed.iter().map(String::as_str).chain(staged) {
        assert!(labels.iter().any(|label| label.starts_with(tile)), "{tile} in {labels:?}");
    }
}
