//! The embedder's side: the caller's device, sub-allocated buffers, typed errors when binding, and an encode that creates
//! nothing.

#[path = "../../examples/embed.rs"]
#[allow(dead_code, reason = "its main is the example's")]
mod embed;

#[path = "../../examples/render_loop.rs"]
#[allow(dead_code, reason = "its main is the example's")]
mod render_loop;

#[cfg(any(target_os = "linux", target_os = "windows"))]
#[path = "../../examples/foreign_vulkan.rs"]
#[allow(dead_code, reason = "its main is the example's")]
mod foreign_vulkan;

#[cfg(any(target_os = "linux", target_os = "windows"))]
#[path = "../../examples/raw_vulkan.rs"]
#[allow(dead_code, reason = "its main is the example's")]
mod raw_vulkan;

use crate::common::{Reached, integers, open, random, zoo};
use wgconv::gpu::{Bindings, Bound, Context, Gpu, Plan};
use wgconv::reference;
use wgconv::{
    Access, Algorithm, Conv, Error, Geometry, Gradient, Inputs, Layout, Options, Pool, PoolMode, Problem, Storage,
    TensorName, candidates,
};

#[test]
fn the_example_marks_the_rim_of_its_disc() {
    let marked = embed::run().expect("an adapter");
    // The same image and threshold on the CPU.
    let inside = |x: i32, y: i32| {
        let (x, y) = (x.clamp(0, 95) - 48, y.clamp(0, 95) - 48);
        i32::from(x * x + y * y < 900)
    };
    let rim = (0..96)
        .flat_map(|y| (0..96).map(move |x| (x, y)))
        .filter(|&(x, y)| {
            4 * inside(x, y) - inside(x - 1, y) - inside(x + 1, y) - inside(x, y - 1) - inside(x, y + 1) > 1
        })
        .count();
    assert_eq!(marked, rim);
    assert!(rim > 50);
}

#[test]
fn a_renderer_shows_what_the_reference_makes_of_its_scene() {
    // Rows that are no multiple of a workgroup, nor of a copy's alignment.
    let (width, height) = (45, 31);
    let frame = render_loop::run([width as u32, height as u32], &[0.0, 0.4, 0.9]).expect("an adapter");
    let problem: Problem = render_loop::problem(width, height).into();
    let plane = width * height;
    let mut planes = vec![0.0; 3 * plane];
    for (pixel, bytes) in frame.scene.chunks_exact(4).enumerate() {
        for channel in 0..3 {
            planes[channel * plane + pixel] = f32::from(bytes[channel]) / 255.0;
        }
    }
    let inputs = [(TensorName::Input, planes), (TensorName::Weight, render_loop::weight())].into();
    let want = reference::run(&problem, &inputs).expect("valid").output;
    assert_eq!(frame.shown.len(), 4 * plane);
    for (pixel, bytes) in frame.shown.chunks_exact(4).enumerate() {
        for channel in 0..3 {
            let want = want[channel * plane + pixel].clamp(0.0, 1.0) * 255.0;
            // Rounded to the nearest of 256 levels, as Vulkan and Direct3D ask of a conversion: within 0.6 of one.
            assert!((f64::from(bytes[channel]) - want).abs() <= 0.6, "pixel {pixel}, channel {channel}: {bytes:?}");
        }
    }
    // The scene moves, and the filter does something.
    assert_ne!(frame.scene, frame.shown);
    assert_ne!(frame.scene, render_loop::run([width as u32, height as u32], &[0.0]).expect("an adapter").scene);
}

#[cfg(any(target_os = "linux", target_os = "windows"))]
#[test]
fn an_engines_own_vulkan_device_computes_what_the_reference_does() {
    if !Gpu::adapters().iter().any(|adapter| adapter.backend == wgpu::Backend::Vulkan) {
        eprintln!("NOT TESTED: there is no Vulkan device");
        return;
    }
    let engine = foreign_vulkan::engine::Engine::new().expect("a Vulkan device");
    let opened = engine.open().expect("a device");
    for (name, problem) in zoo() {
        let geometry = Geometry::new(&problem).expect("valid");
        if geometry.tensors().iter().filter(|spec| spec.access == Access::Write).count() > 1 {
            continue;
        }
        let inputs = random(&problem, 8);
        let want = reference::run(&problem, &inputs).expect("valid");
        let got = opened.run(&problem, &inputs).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(got.len(), want.output.len(), "{name}");
        for (i, (&got, &value)) in got.iter().zip(&want.output).enumerate() {
            assert!((f64::from(got) - value).abs() <= want.tolerance(i), "{name}: output {i} is {got}, want {value}");
        }
    }
    assert_eq!(opened.close(), 2, "wgpu must have let the instance and the device go");
}

/// The core on Vulkan alone: plain layers and their gradients, parts that leave a remainder, packed weights, f16, a layout.
#[cfg(any(target_os = "linux", target_os = "windows"))]
#[test]
fn vulkan_alone_runs_programs_of_the_core() {
    if open().info().backend != wgpu::Backend::Vulkan {
        eprintln!("NOT TESTED: there is no Vulkan device");
        return;
    }
    let vulkan = raw_vulkan::Vulkan::open(|_| None).expect("a Vulkan device");
    let conv = Conv::new(5, 6, [11, 10], 8, [3, 3]).padding(1).bias(true);
    let max = Pool::max(2, 3, [9, 10], [3, 2]).padding(1).mode(PoolMode::Max { pad_value: None, indices: true });
    let input = Geometry::new(&conv.clone().into()).expect("valid").tensors()[0].shape.clone();
    let nhwc = Options::default().layout(TensorName::Input, Layout::channels_last(&input));
    let ways = [
        Options::default(),
        Options::default().pack_weights().algorithm(Algorithm::WinogradF2),
        Options { workspace_limit: Some(50_000), ..Options::default().algorithm(Algorithm::Im2colGemm) },
        Options::default().storage(Storage::F16),
        Options { runtime_checks: true, shared_buffers: true, ..nhwc },
    ];
    let mut cases: Vec<(Problem, Options)> = ways.into_iter().map(|options| (conv.clone().into(), options)).collect();
    let gradients: [Problem; 2] = [Gradient::all(conv.clone()).into(), Gradient::all(conv).beta(0.5).into()];
    cases.extend(gradients.into_iter().chain([max.into()]).map(|problem| (problem, Options::default())));
    for (problem, options) in cases {
        let checked = raw_vulkan::check(&vulkan, &problem, &options);
        checked.unwrap_or_else(|error| panic!("{problem:?} {options:?}: {error}"));
    }
}

#[test]
fn plans_are_shared_between_threads() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<Plan>();
    assert_send_sync::<Bound>();
    assert_send_sync::<Context>();
    assert_send_sync::<Gpu>();
    let gpu = open();
    let problem: Problem = Conv::new(1, 3, [9, 9], 4, [3, 3]).into();
    let plan = Plan::new(gpu.context(), &problem, &Options::default()).expect("valid");
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (gpu, plan, problem) = (&gpu, &plan, &problem);
            scope.spawn(move || {
                let inputs = integers(problem, seed);
                let want = reference::run(problem, &inputs).expect("valid");
                let got = execute(gpu, plan, &inputs);
                assert!(got.iter().zip(&want.output).all(|(&got, &want)| f64::from(got) == want));
            });
        }
    });
}

/// Binds buffers of its own, encodes, reads the output.
fn execute(gpu: &Gpu, plan: &Plan, inputs: &Inputs) -> Vec<f32> {
    let specs = plan.geometry().tensors();
    let buffers: Vec<wgpu::Buffer> =
        specs.iter().map(|spec| buffer(gpu, spec.len() as u64 * 4, wgpu::BufferUsages::empty())).collect();
    let mut bindings = Bindings::new();
    for (spec, buffer) in specs.iter().zip(&buffers) {
        if let Some(data) = inputs.get(&spec.name) {
            gpu.queue().write_buffer(buffer, 0, bytemuck::cast_slice(data));
        }
        bindings = bindings.tensor(spec.name, buffer);
    }
    let workspace = buffer(gpu, plan.workspace_size().max(4), wgpu::BufferUsages::empty());
    let bound = plan.bind(&bindings.workspace(&workspace)).expect("valid bindings");
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    bound.encode(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
    let output = specs.iter().position(|spec| spec.name == TensorName::Output).expect("an output");
    bytemuck::cast_vec(gpu.read_back(&buffers[output]).expect("readback"))
}

fn buffer(gpu: &Gpu, size: u64, more: wgpu::BufferUsages) -> wgpu::Buffer {
    gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC | more,
        mapped_at_creation: false,
    })
}

#[test]
fn every_operation_runs_inside_one_arena_buffer() {
    let gpu = open();
    let alignment = u64::from(gpu.capabilities().storage_alignment);
    let mut reached = Reached::default();
    for (name, problem) in zoo() {
        // Sharing a buffer changes how the text of a kernel declares its bindings, whatever its constants.
        if !reached.grows(gpu.context(), &problem, &Options::default()) {
            continue;
        }
        let geometry = Geometry::new(&problem).expect("valid");
        let inputs = random(&problem, 21);
        let want = reference::run(&problem, &inputs).expect("valid");
        for candidate in candidates(&geometry, gpu.capabilities(), &Options::default()) {
            if candidate.verdict.is_err() {
                continue;
            }
            let options = Options { shared_buffers: true, ..Options::default().algorithm(candidate.algorithm) };
            let plan = Plan::new(gpu.context(), &problem, &options).expect("valid");
            let mut end = 0;
            let mut place = |bytes: u64| {
                let start = end;
                end = (start + bytes).next_multiple_of(alignment);
                start
            };
            let places: Vec<u64> = geometry.tensors().iter().map(|spec| place(spec.len() as u64 * 4)).collect();
            let workspace = place(plan.workspace_size());
            let arena = buffer(&gpu, end.max(4), wgpu::BufferUsages::empty());
            let mut bindings = Bindings::new().workspace_at(&arena, workspace);
            for (spec, &offset) in geometry.tensors().iter().zip(&places) {
                if let Some(data) = inputs.get(&spec.name) {
                    gpu.queue().write_buffer(&arena, offset, bytemuck::cast_slice(data));
                }
                bindings = bindings.tensor_at(spec.name, &arena, offset);
            }
            let bound = plan.bind(&bindings).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            bound.encode(&mut encoder);
            gpu.queue().submit([encoder.finish()]);
            let words: Vec<f32> = bytemuck::cast_vec(gpu.read_back(&arena).expect("readback"));
            let output = geometry.tensors().iter().position(|s| s.name == TensorName::Output).expect("an output");
            let got = &words[places[output] as usize / 4..][..want.output.len()];
            for (i, (&got, &value)) in got.iter().zip(&want.output).enumerate() {
                let ok = (f64::from(got) - value).abs() <= want.tolerance(i);
                assert!(ok, "{name} by {} in an arena: output {i} is {got}, want {value}", candidate.algorithm);
            }
        }
    }
}

#[test]
fn a_convolution_writes_into_a_slice_of_a_concatenation() {
    let gpu = open();
    // Two branches of an inception block write channels 0..4 and 4..9 of one tensor.
    let parent = [2, 9, 6, 5];
    let concatenated = buffer(&gpu, 2 * 9 * 6 * 5 * 4, wgpu::BufferUsages::empty());
    let mut wanted = vec![0.0; 2 * 9 * 30];
    for (first, c_out, kernel) in [(0, 4, 1), (4, 5, 3)] {
        let problem: Problem = Conv::new(2, 3, [6, 5], c_out, [kernel, kernel]).padding(kernel / 2).into();
        let inputs = integers(&problem, first as u64);
        let slice = Layout::contiguous(&parent).slice(1, first);
        let options = Options::default().layout(TensorName::Output, slice.clone());
        let plan = Plan::new(gpu.context(), &problem, &options).expect("valid");
        let input = buffer(&gpu, 4 * 2 * 3 * 30, wgpu::BufferUsages::empty());
        let weight = buffer(&gpu, 4 * inputs[&TensorName::Weight].len() as u64, wgpu::BufferUsages::empty());
        gpu.queue().write_buffer(&input, 0, bytemuck::cast_slice(&inputs[&TensorName::Input]));
        gpu.queue().write_buffer(&weight, 0, bytemuck::cast_slice(&inputs[&TensorName::Weight]));
        let workspace = buffer(&gpu, plan.workspace_size().max(4), wgpu::BufferUsages::empty());
        let bindings = Bindings::new()
            .tensor(TensorName::Input, &input)
            .tensor(TensorName::Weight, &weight)
            .tensor(TensorName::Output, &concatenated)
            .workspace(&workspace);
        let bound = plan.bind(&bindings).expect("valid");
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.encode(&mut encoder);
        gpu.queue().submit([encoder.finish()]);
        let want = reference::run(&problem, &inputs).expect("valid");
        slice.scatter(&want.shape, &want.output, &mut wanted);
    }
    let got: Vec<f32> = bytemuck::cast_vec(gpu.read_back(&concatenated).expect("readback"));
    assert!(got.iter().zip(&wanted).all(|(&got, &want)| f64::from(got) == want));
}

#[test]
fn encoding_creates_no_resources() {
    let gpu = open();
    let problem: Problem = Conv::new(1, 8, [14, 14], 16, [3, 3]).into();
    let options = Options::default().algorithm(Algorithm::Im2colGemm);
    let plan = Plan::new(gpu.context(), &problem, &options).expect("valid");
    let buffers: Vec<wgpu::Buffer> = plan
        .geometry()
        .tensors()
        .iter()
        .map(|spec| buffer(&gpu, spec.len() as u64 * 4, wgpu::BufferUsages::empty()))
        .collect();
    let workspace = buffer(&gpu, plan.workspace_size(), wgpu::BufferUsages::empty());
    let mut bindings = Bindings::new().workspace(&workspace);
    for (spec, buffer) in plan.geometry().tensors().iter().zip(&buffers) {
        bindings = bindings.tensor(spec.name, buffer);
    }
    let bound = plan.bind(&bindings).expect("valid");
    let resources = || {
        let hal = gpu.device().get_internal_counters().hal;
        [
            hal.buffers.read(),
            hal.bind_groups.read(),
            hal.bind_group_layouts.read(),
            hal.compute_pipelines.read(),
            hal.shader_modules.read(),
            hal.memory_allocations.read(),
        ]
    };
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let before = resources();
    assert!(before[0] > 0, "the counters must count");
    for _ in 0..10 {
        bound.encode(&mut encoder);
    }
    assert_eq!(resources(), before);
    gpu.queue().submit([encoder.finish()]);
}

/// The error of binding `tamper`ed bindings of a small convolution.
fn binding_error(tamper: impl for<'a> Fn(Bindings<'a>, &'a [wgpu::Buffer]) -> Bindings<'a>) -> String {
    let gpu = open();
    let problem: Problem = Conv::new(1, 2, [16, 16], 4, [3, 3]).padding(1).into();
    let options = Options::default().algorithm(Algorithm::Im2colGemm);
    let plan = Plan::new(gpu.context(), &problem, &options).expect("valid");
    let spare = [
        buffer(&gpu, 1 << 20, wgpu::BufferUsages::empty()),
        buffer(&gpu, 16, wgpu::BufferUsages::empty()),
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 1 << 20,
            usage: wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        }),
        buffer(&gpu, 1 << 20, wgpu::BufferUsages::empty()),
        buffer(&gpu, 1 << 20, wgpu::BufferUsages::empty()),
        buffer(&gpu, 1 << 20, wgpu::BufferUsages::empty()),
    ];
    let good = Bindings::new()
        .tensor(TensorName::Input, &spare[0])
        .tensor(TensorName::Weight, &spare[3])
        .tensor(TensorName::Output, &spare[4])
        .workspace(&spare[5]);
    plan.bind(&good).map(|_| ()).expect("the untampered bindings are fine");
    let error = plan.bind(&tamper(good, &spare)).map(|_| ()).expect_err("tampered");
    assert!(matches!(error, Error::Binding { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn binding_errors_name_the_tensor_the_property_and_the_rule() {
    let small = binding_error(|b, spare| b.tensor(TensorName::Input, &spare[1]));
    assert!(small.contains("input") && small.contains("size = 16") && small.contains("2048"), "{small}");
    let usage = binding_error(|b, spare| b.tensor(TensorName::Weight, &spare[2]));
    assert!(usage.contains("weight") && usage.contains("usage") && usage.contains("STORAGE"), "{usage}");
    let aligned = binding_error(|b, spare| b.tensor_at(TensorName::Output, &spare[4], 4));
    assert!(aligned.contains("offset = 4") && aligned.contains("alignment"), "{aligned}");
    let beyond = binding_error(|b, spare| b.tensor_at(TensorName::Output, &spare[4], 1 << 20));
    assert!(beyond.contains("output") && beyond.contains("size"), "{beyond}");
    let overlap = binding_error(|b, spare| b.tensor(TensorName::Output, &spare[0]));
    assert!(overlap.contains("output") && overlap.contains("overlap input"), "{overlap}");
    let shared = binding_error(|b, spare| b.tensor_at(TensorName::Output, &spare[0], 1 << 16));
    assert!(shared.contains("shared_buffers"), "{shared}");
    let unknown = binding_error(|b, spare| b.tensor(TensorName::Mask, &spare[3]));
    assert!(unknown.contains("mask") && unknown.contains("conv2d"), "{unknown}");
    let workspace = binding_error(|b, spare| b.workspace(&spare[1]));
    assert!(workspace.contains("workspace") && workspace.contains("size = 16"), "{workspace}");
}

#[test]
fn absent_tensors_and_workspace_are_named() {
    let gpu = open();
    let problem: Problem = Conv::new(1, 2, [16, 16], 4, [3, 3]).padding(1).into();
    let options = Options::default().algorithm(Algorithm::Im2colGemm);
    let plan = Plan::new(gpu.context(), &problem, &options).expect("valid");
    let spare = buffer(&gpu, 1 << 20, wgpu::BufferUsages::empty());
    let error = plan.bind(&Bindings::new().tensor(TensorName::Input, &spare)).map(|_| ()).expect_err("absent");
    assert!(error.to_string().contains("weight"), "{error}");
    let other = buffer(&gpu, 1 << 20, wgpu::BufferUsages::empty());
    let bindings = Bindings::new()
        .tensor(TensorName::Input, &spare)
        .tensor(TensorName::Weight, &spare)
        .tensor(TensorName::Output, &other);
    let error = plan.bind(&bindings).map(|_| ()).expect_err("absent");
    assert!(error.to_string().contains("workspace"), "{error}");
}

#[test]
fn output_and_indices_may_not_overlap() {
    let gpu = open();
    let mode = PoolMode::Max { pad_value: None, indices: true };
    let problem: Problem = Pool::max(1, 1, [16, 16], [2, 2]).mode(mode).into();
    let plan = Plan::new(gpu.context(), &problem, &Options::default()).expect("valid");
    assert_eq!(plan.geometry().tensors().iter().filter(|t| t.access == Access::Write).count(), 2);
    let (a, b) = (buffer(&gpu, 4096, wgpu::BufferUsages::empty()), buffer(&gpu, 4096, wgpu::BufferUsages::empty()));
    let bindings =
        Bindings::new().tensor(TensorName::Input, &a).tensor(TensorName::Output, &b).tensor(TensorName::Indices, &b);
    let error = plan.bind(&bindings).map(|_| ()).expect_err("overlap");
    assert!(error.to_string().contains("overlap"), "{error}");
}

#[test]
fn a_forced_algorithm_that_does_not_apply_says_why_and_what_does() {
    let gpu = open();
    let problem: Problem = Conv::new(1, 2, [16, 16], 4, [3, 3]).into();
    let error = Plan::new(gpu.context(), &problem, &Options::default().algorithm(Algorithm::Depthwise))
        .map(|_| ())
        .expect_err("not depthwise");
    let text = error.to_string();
    assert!(text.contains("depthwise") && text.contains("2 input channels per group"), "{text}");
    assert!(text.contains("im2col-gemm") && text.contains("direct"), "{text}");
    let error = Plan::new(gpu.context(), &problem, &Options::default().algorithm(Algorithm::Phases))
        .map(|_| ())
        .expect_err("not transposed");
    assert!(error.to_string().contains("phases"), "{error}");
}

#[test]
fn what_wgpu_complains_of_is_an_error_and_no_panic() {
    let gpu = open();
    // A buffer that cannot be copied from.
    let mute = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 16,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let error = gpu.read_back(&mute).expect_err("it must not be readable");
    assert!(matches!(error, Error::Device(_)), "{error:?}");
    assert!(error.to_string().contains("COPY_SRC"), "{error}");
    // And the device goes on.
    let problem: Problem = Conv::new(1, 2, [5, 5], 3, [3, 3]).into();
    gpu.run(&problem, &Options::default(), &integers(&problem, 1)).expect("a healthy device");
}
