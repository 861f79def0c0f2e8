//! The tiles of cooperative matrices on any device with f16: the kernels as they are, their matrices emulated by the
//! invocations of a subgroup of any size. What real ones compute, `tests/kernels.rs` judges where a device has them.

#![cfg(feature = "reference")]

mod common;

use std::collections::BTreeSet;

use common::{agrees, integers, open, random};
use wgconv::gpu::program::{Dispatch, Operand};
use wgconv::gpu::{Gpu, lower_in_parts};
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

/// The module with emulated matrices.
fn emulated(source: &str) -> String {
    let replace = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "no {from:?} in the kernel");
        text.replace(from, to)
    };
    let types = source.lines().filter(|line| !line.starts_with("alias Matrix")).collect::<Vec<_>>().join("\n");
    assert!(types.len() < source.len());
    let changes = [
        ("enable wgpu_cooperative_matrix;", ""),
        ("@builtin(subgroup_id) subgroup: u32,", ""),
        (
            "@builtin(subgroup_invocation_id) lane: u32,\n) {",
            ") {\n    let subgroup = local_ix / SUBGROUP_SIZE;\n    let lane = local_ix % SUBGROUP_SIZE;\n    emulated_lane = lane;",
        ),
        // The device's own subgroups are other ones.
        ("subgroupMax", ""),
        ("if lane == 0u", "if true"),
        ("coopLoadT<MatrixA>(&sh_rows[", "MatrixA("),
        ("], ROW_PITCH)", ")"),
        ("coopLoadT<MatrixB>(&sh_columns[", "MatrixB("),
        ("], COLUMN_PITCH)", ")"),
        ("coopMultiplyAdd", "emulated_multiply_add"),
        ("product + cross * (1.0 / 2048.0)", "emulated_scaled(product, cross, 1.0 / 2048.0, 1.0)"),
        ("sum + product * scale.x * scale.y", "emulated_scaled(sum, product, scale.x, scale.y)"),
        (
            "coopStoreT(sum_00, &sh_sums[sums], SIDE);",
            "for (var j = 0u; j < N_HELD; j++) { sh_sums[sums + lane + j * SUBGROUP_SIZE] = sum_00.held[j]; }",
        ),
    ];
    changes.iter().fold(types, |text, (from, to)| replace(text, from, to)) + EMULATED
}

fn compile(device: &wgpu::Device, dispatch: &Dispatch) -> wgpu::ComputePipeline {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(emulated(&dispatch.variant.source(false)).into()),
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

/// One dispatch over contiguous tensors, of which a problem here has all: what a shader does not use is not in its
/// layout.
fn run(
    gpu: &Gpu,
    pipeline: &wgpu::ComputePipeline,
    dispatch: &Dispatch,
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
    let uniform = create(dispatch.params.bytes(), wgpu::BufferUsages::UNIFORM);
    let n_outputs = geometry.output_shape().iter().product::<usize>();
    let buffers: Vec<wgpu::Buffer> = dispatch
        .operands
        .iter()
        .map(|operand| {
            let data = match operand {
                Operand::Tensor(TensorName::Output) => vec![f32::NAN; n_outputs],
                Operand::Tensor(name) => inputs[name].clone(),
                _ => Vec::new(),
            };
            create(bytemuck::cast_slice(&data), wgpu::BufferUsages::STORAGE)
        })
        .collect();
    let entries: Vec<wgpu::BindGroupEntry<'_>> = std::iter::once(&uniform)
        .chain(&buffers)
        .enumerate()
        .map(|(i, buffer)| wgpu::BindGroupEntry { binding: i as u32, resource: buffer.as_entire_binding() })
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
    let [x, y, z] = dispatch.grid(6).expect("small");
    pass.dispatch_workgroups(x, y, z);
    drop(pass);
    gpu.queue().submit([encoder.finish()]);
    let output = dispatch.operands.iter().position(|o| *o == Operand::Tensor(TensorName::Output)).expect("an output");
    let words = gpu.read_back(&buffers[output]).expect("readback");
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
    let cases = [
        (&plain, 16, 32, split),
        (&plain, 8, 32, split),
        (&grouped, 16, 64, split),
        (&dilated, 16, 32, Algorithm::CooperativeGemmF16),
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
        let lowered = lower_in_parts(&geometry, algorithm, &capabilities, &options).expect("applies");
        let [dispatch] = &lowered.whole.dispatches[..] else { panic!("{}", lowered.describe()) };
        let pipeline = compile(gpu.device(), dispatch);
        let label = dispatch.variant.label();
        for (inputs, exact) in [(integers(problem, 1), true), (random(problem, 2), false)] {
            let want = reference::run_by(problem, &inputs, algorithm).expect("the operation has this algorithm");
            let got = run(&gpu, &pipeline, dispatch, &geometry, &inputs);
            for (i, (&got, &value)) in got.iter().zip(&want.output).enumerate() {
                let tolerance = if exact { 0.0 } else { want.tolerance(i) };
                assert!(agrees(got, value, tolerance), "{label}: {got} at {i}, want {value} +- {tolerance}");
            }
        }
        labels.insert(label);
    }
    for tile in ["conv_coop_gemm(SUBGROUPS_M=2", "conv_coop_gemm(SUBGROUPS_M=4", "conv_coop_gemm_8x8("] {
        assert!(labels.iter().any(|label| label.starts_with(tile)), "{tile} in {labels:?}");
    }
}
