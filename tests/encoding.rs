//! What recording a bound plan costs the host: no heap allocation of its own, and no more than the same wgpu commands
//! recorded by hand.

#![cfg(feature = "reference")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use common::{open, relaxed};
use wgconv::gpu::{Bindings, Bound, Context, Gpu, Plan};
use wgconv::{Algorithm, Conv, DeformConv2d, Gradient, Options, Problem};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts what the current thread allocates.
struct Counting;

// SAFETY: everything is the system's allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

/// A plan with buffers of its own.
fn bind(gpu: &Gpu, plan: &Plan) -> Bound {
    let buffer = |size: u64| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: size.max(4),
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    };
    let tensors: Vec<_> =
        plan.geometry().tensors().iter().map(|spec| (spec.name, buffer(4 * spec.len() as u64))).collect();
    let (workspace, packed) = (buffer(plan.workspace_size()), buffer(plan.packed_size()));
    let mut bindings = Bindings::new().workspace(&workspace).packed(&packed);
    for (name, buffer) in &tensors {
        bindings = bindings.tensor(*name, buffer);
    }
    plan.bind(&bindings).expect("the buffers are right")
}

/// As many dispatches as a plan has, of a trivial pipeline and a bind group each: what wgpu takes by itself.
struct ByHand {
    steps: Vec<(wgpu::ComputePipeline, wgpu::BindGroup)>,
}

impl ByHand {
    fn new(gpu: &Gpu, dispatches: usize) -> ByHand {
        let device = gpu.device();
        let source = "@group(0) @binding(0) var<storage, read_write> x: array<f32>;
            @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) { x[id.x % 4u] = 1.0; }";
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        // wgpu drops a command that sets what is set.
        let step = |_| {
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &module,
                entry_point: None,
                compilation_options: Default::default(),
                cache: None,
            });
            let buffer = device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 16,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            });
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
            });
            (pipeline, group)
        };
        ByHand { steps: (0..dispatches).map(step).collect() }
    }

    /// Within a debug group, as plans are.
    fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.push_debug_group("wgconv conv2d by register-tiled");
        for (pipeline, group) in &self.steps {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(1, 1, 1);
        }
        pass.pop_debug_group();
    }
}

/// Records into a pass of a fresh encoder, which is dropped.
fn in_pass<R>(gpu: &Gpu, work: impl FnOnce(&mut wgpu::ComputePass<'_>) -> R) -> R {
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    work(&mut pass)
}

/// A plan of one dispatch, one of several, one that packs weights, and a backward pass.
fn plans(gpu: &Gpu) -> Vec<Plan> {
    let conv: Problem = Conv::new(2, 16, [12, 12], 16, [3, 3]).padding(1).bias(true).into();
    let deform: Problem = DeformConv2d::new(2, 8, [9, 9], 8, [3, 3]).padding(1).mask(true).into();
    let requests = [
        (conv.clone(), Options::default().algorithm(Algorithm::Direct)),
        (conv.clone(), relaxed().algorithm(Algorithm::WinogradF4)),
        (conv.clone(), relaxed().algorithm(Algorithm::WinogradF2).pack_weights()),
        (Gradient::all(deform).into(), Options::default()),
    ];
    Plan::many(gpu.context(), &requests).into_iter().map(|plan| plan.expect("the plans are made")).collect()
}

#[test]
fn recording_allocates_what_wgpu_allocates() {
    let gpu = open();
    for plan in plans(&gpu) {
        let bound = bind(&gpu, &plan);
        let by_hand = ByHand::new(&gpu, plan.dispatch_count());
        let label = format!("{} by {}", plan.geometry().problem().op_name(), plan.choice().algorithm);
        let counts = |record: &dyn Fn(&mut wgpu::ComputePass<'_>)| {
            // The first time fills what wgpu keeps.
            in_pass(&gpu, |pass| record(pass));
            in_pass(&gpu, |pass| (0..4).map(|_| allocations(|| record(pass))).collect::<Vec<_>>())
        };
        let ours = counts(&|pass| bound.encode_in_pass(pass));
        let theirs = counts(&|pass| by_hand.record(pass));
        assert_eq!(ours, theirs, "{label}: {} dispatches", plan.dispatch_count());
        let packing = bound.packing_count();
        assert_eq!(packing > 0, plan.packed_size() > 0, "{label}");
        let by_hand = ByHand::new(&gpu, packing);
        let ours = counts(&|pass| bound.encode_packing_in_pass(pass));
        assert_eq!(ours, counts(&|pass| by_hand.record(pass)), "{label}: packing");
    }
    // The counter counts.
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn recording_costs_at_most_a_few_microseconds_more_than_the_same_commands() {
    let gpu = open();
    for plan in plans(&gpu) {
        let bound = bind(&gpu, &plan);
        let by_hand = ByHand::new(&gpu, plan.dispatch_count());
        // The fastest of many: the machine may have other things to do.
        let fastest = |record: &dyn Fn(&mut wgpu::ComputePass<'_>)| {
            const RECORDINGS: u32 = 16;
            let batch = |_| {
                in_pass(&gpu, |pass| {
                    let start = Instant::now();
                    (0..RECORDINGS).for_each(|_| record(pass));
                    start.elapsed().as_secs_f64() * 1e6 / f64::from(RECORDINGS)
                })
            };
            (0..64).map(batch).fold(f64::INFINITY, f64::min)
        };
        let ours = fastest(&|pass| bound.encode_in_pass(pass));
        let theirs = fastest(&|pass| by_hand.record(pass));
        println!(
            "{} by {}: {ours:.2} us, by hand {theirs:.2} us",
            plan.geometry().problem().op_name(),
            plan.choice().algorithm
        );
        assert!(ours <= 1.5 * theirs + 5.0, "{ours} us against {theirs} us by hand");
    }
}

#[test]
fn plans_of_one_operation_share_pipelines_and_threads_compile_each_once() {
    let gpu = open();
    let layers: Vec<(Problem, Options)> = (1..=8)
        .map(|i| {
            (
                Conv::new(1, 8 * i, [16, 16], 32, [3, 3]).padding(1).into(),
                Options::default().algorithm(Algorithm::RegisterTiled),
            )
        })
        .collect();
    let context = Context::with_capabilities(gpu.device(), *gpu.capabilities());
    let plans: Vec<Plan> = Plan::many(&context, &layers).into_iter().map(|plan| plan.expect("valid")).collect();
    assert_eq!(plans.len(), layers.len());
    for (plan, (problem, _)) in plans.iter().zip(&layers) {
        assert_eq!(plan.geometry().problem(), problem, "plans come in the order of their problems");
    }
    let variants: std::collections::BTreeSet<String> = plans.iter().flat_map(Plan::kernels).collect();
    assert_eq!(context.pipeline_count(), variants.len());
    assert_eq!(variants.len(), 1, "{variants:?}");
    // An impossible one among them is an error in its place.
    let mut mixed = layers;
    mixed[3].0 = Conv::new(1, 0, [16, 16], 32, [3, 3]).into();
    let mixed = Plan::many(&context, &mixed);
    assert!(mixed.iter().enumerate().all(|(i, plan)| plan.is_err() == (i == 3)));
    assert_eq!(context.pipeline_count(), 1);
}
