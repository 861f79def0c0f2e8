//! What the test suites share: a zoo of problems, data, and an execution that watches every buffer's surroundings.
#![allow(dead_code, unused_imports, reason = "each suite uses its part")]

pub mod strategy;
mod zoo;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use half::f16;
use wgconv::gpu::{Bindings, Context, Gpu, Plan, Select};
use wgconv::program::{Dispatch, Part};
use wgconv::{
    Access, Accuracy, Algorithm, Capabilities, ElementType, Geometry, Inputs, KernelClass, Layout, Options, Problem,
    TensorName, TensorSpec, candidates, lower,
};
pub use zoo::epilogues;

/// Awkward problems of every operation, by name; every second time from the last one to the first, so that tests which run
/// side by side seldom compile the same kernels.
pub fn zoo() -> Vec<(&'static str, Problem)> {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let mut problems = zoo::zoo();
    if CALLS.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
        problems.reverse();
    }
    problems
}

/// What was computed of one problem: classes of kernels share most of them, and what is launched alike is judged once.
#[derive(Default)]
pub struct Judged(Vec<(Vec<Dispatch>, Vec<Part>)>);

impl Judged {
    /// Whether the context launches what none before it did.
    pub fn is_new(&mut self, context: &Context, problem: &Problem, options: &Options, algorithm: Algorithm) -> bool {
        let geometry = Geometry::new(problem).expect("zoo problems are valid");
        let options = options.clone().algorithm(algorithm);
        let program = lower(&geometry, algorithm, context.capabilities(), &options).expect("it applies");
        let launched = (program.packing, program.parts);
        let is_new = !self.0.contains(&launched);
        if is_new {
            self.0.push(launched);
        }
        is_new
    }
}

/// The kernels, with what they read and write, that problems led to so far: for what is the same in all variants of a
/// kernel, so that one problem or two are enough for each.
#[derive(Default)]
pub struct Reached(BTreeSet<String>);

impl Reached {
    /// Whether a problem leads to one more.
    pub fn grows(&mut self, context: &Context, problem: &Problem, options: &Options) -> bool {
        let before = self.0.len();
        let geometry = Geometry::new(problem).expect("zoo problems are valid");
        for algorithm in applicable(problem, context.capabilities(), options) {
            let options = options.clone().algorithm(algorithm);
            let program = lower(&geometry, algorithm, context.capabilities(), &options).expect("it applies");
            let variants = program.launches().map(|dispatch| &dispatch.variant);
            self.0.extend(variants.map(|variant| format!("{} {:?}", variant.kernel.stem, variant.elements)));
        }
        self.0.len() > before
    }
}

/// A device that a test has to itself for as long as it runs. The next one takes it over with all the pipelines that were
/// compiled on it: in software that is what most time goes into.
pub struct Device(Option<Gpu>);

/// Pipelines beyond which a device is given up: in software each takes megabytes.
const MOST_KEPT: usize = 600;

static IDLE: Mutex<Vec<Gpu>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Gpu>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Deref for Device {
    type Target = Gpu;

    fn deref(&self) -> &Gpu {
        self.0.as_ref().expect("a device is there until it is dropped")
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // What a test left that failed may be what makes the next one fail.
        let is_sound = !std::thread::panicking();
        idle().extend(self.0.take().filter(|gpu| is_sound && gpu.context().pipeline_count() < MOST_KEPT));
    }
}

/// The adapter under test: `WGCONV_ADAPTER`, else the best. A machine without one fails.
pub fn open() -> Device {
    if let Some(gpu) = idle().pop() {
        return Device(Some(gpu));
    }
    // SAFETY: a test acknowledges that wgpu's experimental features may have bugs, and would like to know.
    let gpu = unsafe { Gpu::open_experimental(&Select::Auto) };
    Device(Some(gpu.expect("the tests need an adapter; scripts/test installs a software one")))
}

/// The device's own capabilities under each kernel class, with its subgroups and without, so that every family is judged
/// on every device.
pub fn classes(gpu: &Gpu) -> Vec<Capabilities> {
    let own = *gpu.capabilities();
    let mut classes = vec![
        Capabilities { class: KernelClass::Gpu, ..own },
        Capabilities { class: KernelClass::Cpu, subgroup_size: None, ..own },
    ];
    if own.subgroup_size.is_some() {
        classes.push(Capabilities { class: KernelClass::Cpu, ..own });
    }
    classes
}

/// Data for every tensor that a problem reads.
pub fn inputs(problem: &Problem, mut value: impl FnMut(TensorName) -> f32) -> Inputs {
    let geometry = Geometry::new(problem).expect("zoo problems are valid");
    let read = geometry.tensors().iter().filter(|spec| spec.access != Access::Write);
    read.map(|spec| (spec.name, (0..spec.len()).map(|_| value(spec.name)).collect())).collect()
}

/// Options under which every algorithm is a candidate.
pub fn relaxed() -> Options {
    Options::default().accuracy(Accuracy::Half)
}

/// Small integers: every sum is exact in f32.
pub fn integers(problem: &Problem, seed: u64) -> Inputs {
    let mut rng = fastrand::Rng::with_seed(seed);
    inputs(problem, |name| match name {
        TensorName::Offset => rng.i32(-3..=3) as f32,
        _ => rng.i32(-4..=4) as f32,
    })
}

/// Values in -1..1, offsets in -2.5..2.5.
pub fn random(problem: &Problem, seed: u64) -> Inputs {
    let mut rng = fastrand::Rng::with_seed(seed);
    inputs(problem, |name| match name {
        // Multiples of 1/1024 keep the sampling coordinates exact in f32.
        TensorName::Offset => (rng.f32() * 5120.0 - 2560.0).round() / 1024.0,
        _ => rng.f32() * 2.0 - 1.0,
    })
}

/// The algorithms that apply.
pub fn applicable(problem: &Problem, capabilities: &Capabilities, options: &Options) -> Vec<Algorithm> {
    let geometry = Geometry::new(problem).expect("zoo problems are valid");
    let all = candidates(&geometry, capabilities, options);
    all.into_iter().filter(|c| c.verdict.is_ok()).map(|c| c.algorithm).collect()
}

/// `difference <= tolerance`, so that a NaN fails; where the oracle is not finite the class must agree.
#[cfg(feature = "reference")]
pub fn agrees(got: f32, want: f64, tolerance: f64) -> bool {
    wgconv::reference::error_over_tolerance(got.into(), want, tolerance) <= 1.0
}

/// One context for each kernel class, of the same pipelines.
pub fn contexts(gpu: &Gpu) -> Vec<Context> {
    classes(gpu).into_iter().map(|caps| gpu.context().view(caps)).collect()
}

/// The layouts that every activation must be readable and writable in.
pub fn layouts(problem: &Problem) -> Vec<(&'static str, Options)> {
    let geometry = Geometry::new(problem).expect("zoo problems are valid");
    let strided: Vec<_> = geometry.tensors().iter().filter(|spec| spec.takes_layout()).collect();
    let with = |make: &dyn Fn(&[usize]) -> Layout| {
        strided.iter().fold(Options::default(), |options, spec| options.layout(spec.name, make(&spec.shape)))
    };
    let channel_slice = |shape: &[usize]| {
        let mut parent = shape.to_vec();
        parent[1] += 5;
        Layout::contiguous(&parent).slice(1, 3)
    };
    let crop = |shape: &[usize]| {
        let mut parent = shape.to_vec();
        for extent in &mut parent[2..] {
            *extent += 3;
        }
        (2..shape.len()).fold(Layout::contiguous(&parent), |layout, axis| layout.slice(axis, axis - 1))
    };
    vec![
        ("channels last", with(&Layout::channels_last)),
        ("channel slice", with(&channel_slice)),
        ("crop", with(&crop)),
    ]
}

/// A result and where it came from.
pub struct Run {
    pub output: Vec<f32>,
    pub indices: Option<Vec<u32>>,
    pub gradients: BTreeMap<TensorName, Vec<f32>>,
    pub label: String,
}

const GUARD: u32 = 0xdead_beef;
const GUARD_WORDS: usize = 64;
/// A signalling pattern that no kernel produces.
const POISON: u32 = 0x7fc0_1234;
const POISON_F16: u16 = 0x7e12;

/// Executes a plan the embedder's way and watches: every tensor lies at a non-zero aligned offset between guard words,
/// unreached elements of inputs are NaN, outputs and workspace start as NaN, and afterwards nothing but the outputs'
/// own elements has changed.
pub fn run_guarded(gpu: &Gpu, context: &Context, problem: &Problem, options: &Options, inputs: &Inputs) -> Run {
    let plan = Plan::new(context, problem, options).unwrap_or_else(|error| panic!("{problem:?}: {error}"));
    let label = format!("{} by {} [{}]", problem.op_name(), plan.choice().algorithm, plan.kernels().join(" then "));
    let alignment = (context.capabilities().storage_alignment as usize / 4).max(GUARD_WORDS);
    let device = gpu.device();
    let create = |words: &[u32]| {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: words.len() as u64 * 4,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(words));
        buffer
    };

    let is_half = |spec: &TensorSpec| spec.element.bytes(options.storage) == 2;
    let mut buffers = BTreeMap::new();
    for spec in plan.geometry().tensors() {
        let layout = options.layouts.get(&spec.name).cloned().unwrap_or_else(|| Layout::contiguous(&spec.shape));
        let span = layout.span(&spec.shape).expect("checked");
        let data = inputs.get(&spec.name);
        let tensor = if is_half(spec) {
            let mut tensor = vec![POISON_F16; span];
            if let Some(data) = data {
                let halves: Vec<u16> = data.iter().map(|&value| f16::from_f32(value).to_bits()).collect();
                layout.scatter(&spec.shape, &halves, &mut tensor);
            }
            // The other half of the last word is somebody else's.
            tensor.resize(span.next_multiple_of(2), GUARD as u16);
            tensor.chunks(2).map(|pair| u32::from(pair[0]) | u32::from(pair[1]) << 16).collect()
        } else {
            let mut tensor = vec![POISON; span];
            if let Some(data) = data {
                layout.scatter(&spec.shape, bytemuck::cast_slice(data), &mut tensor);
            }
            tensor
        };
        let words = [vec![GUARD; alignment], tensor, vec![GUARD; GUARD_WORDS]].concat();
        buffers.insert(spec.name, (create(&words), words, layout));
    }
    let workspace_words = plan.workspace_size() as usize / 4;
    let workspace = [vec![GUARD; alignment], vec![POISON; workspace_words], vec![GUARD; GUARD_WORDS]].concat();
    let workspace = (create(&workspace), workspace);

    let offset = alignment as u64 * 4;
    let packed_words = plan.packed_size() as usize / 4;
    let packed = [vec![GUARD; alignment], vec![POISON; packed_words], vec![GUARD; GUARD_WORDS]].concat();
    let packed = (create(&packed), packed);
    let mut bindings = Bindings::new().workspace_at(&workspace.0, offset).packed_at(&packed.0, offset);
    for (name, (buffer, ..)) in &buffers {
        bindings = bindings.tensor_at(*name, buffer, offset);
    }
    let bound = plan.bind(&bindings).unwrap_or_else(|error| panic!("{label}: {error}"));
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    bound.encode_packing(&mut encoder);
    bound.encode(&mut encoder);
    gpu.queue().submit([encoder.finish()]);

    let mut run = Run { output: Vec::new(), indices: None, gradients: BTreeMap::new(), label };
    for spec in plan.geometry().tensors() {
        let (buffer, before, layout) = &buffers[&spec.name];
        let after = gpu.read_back(buffer).expect("readback");
        let mut expected = before.clone();
        if spec.access != Access::Read {
            let tensor = &after[alignment..];
            let dense: Vec<f32> = if is_half(spec) {
                let dense: Vec<u16> = layout.gather(&spec.shape, bytemuck::cast_slice(tensor));
                layout.scatter(&spec.shape, &dense, bytemuck::cast_slice_mut(&mut expected[alignment..]));
                dense.into_iter().map(|bits| f16::from_bits(bits).to_f32()).collect()
            } else {
                let dense = layout.gather(&spec.shape, tensor);
                layout.scatter(&spec.shape, &dense, &mut expected[alignment..]);
                bytemuck::cast_vec(dense)
            };
            match (spec.name, spec.element) {
                (_, ElementType::U32) => run.indices = Some(bytemuck::cast_vec(dense)),
                (TensorName::Output, _) => run.output = dense,
                (name, _) => {
                    run.gradients.insert(name, dense);
                }
            }
        }
        let touched = after.iter().zip(&expected).position(|(a, b)| a != b);
        assert!(touched.is_none(), "{}: {} changed at word {touched:?} outside its elements", run.label, spec.name);
    }
    for (name, (buffer, before), words) in
        [("workspace", workspace, workspace_words), ("packed weights", packed, packed_words)]
    {
        let after = gpu.read_back(&buffer).expect("readback");
        let inside = alignment..alignment + words;
        let touched = after.iter().zip(&before).enumerate().position(|(i, (a, b))| !inside.contains(&i) && a != b);
        assert!(touched.is_none(), "{}: {name} overrun at word {touched:?}", run.label);
    }
    run
}
