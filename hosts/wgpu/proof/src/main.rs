//! Runs problems of every operation, forward and backward, on the host for wgpu 29 and on wgconv's own for wgpu 30, on one
//! driver, and demands the same bits. Exits with 1 where they differ, and where an operation was not tried in every way.

#[path = "../../../../tests/common/zoo.rs"]
mod zoo;

mod older;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;

use older::Older;
use wgconv::gpu::{Gpu, Outputs, Plan, Select};
use wgconv::program::Program;
use wgconv::{
    Access, Accuracy, Capabilities, Conv, DeformConv2d, Geometry, Gradient, Inputs, KernelClass, Layout,
    LocallyConnected2d, Options, Problem, Storage, TensorName, choose,
};

/// What an operation must have been tried with.
const OPERATIONS: [&str; 24] = [
    "avg_pool2d",
    "avg_pool3d",
    "col2im2d",
    "col2im3d",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "deform_conv2d",
    "depth_to_space",
    "depthwise_separable_conv2d",
    "im2col1d",
    "im2col2d",
    "im2col3d",
    "locally_connected2d",
    "lp_pool1d",
    "lp_pool2d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "space_to_depth",
    "spatial_separable_conv2d",
];

/// Images of a batch that is computed in parts: two, two and a remainder.
const BATCH: usize = 5;

fn main() -> ExitCode {
    match prove() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(4)
        }
    }
}

fn prove() -> Result<bool, Box<dyn Error>> {
    let gpu = Gpu::open(&Select::Auto)?;
    let info = gpu.info();
    let older = Older::open(&info.name, info.backend.to_str(), &info.driver_info)?;
    println!("wgpu 30: {}", gpu.description());
    println!("wgpu 29: {}", older.description);
    let own = *gpu.capabilities();
    if older.capabilities != own {
        println!("They tell different limits: {:?}, {own:?}", older.capabilities);
        return Ok(false);
    }
    let mut proof = Proof { gpu, older, tried: BTreeMap::new(), programs: Vec::new(), words: 0, n_differ: 0 };
    let classes = [
        own,
        Capabilities { class: KernelClass::Gpu, ..own },
        Capabilities { class: KernelClass::Cpu, subgroup_size: None, ..own },
    ];
    // Its weights are the largest tensor elsewhere, so that no batch is cut.
    let small_weights = LocallyConnected2d::new(BATCH, 1, [9, 10], 1, [1, 2]).into();
    let problems = zoo::zoo().into_iter().map(|(_, problem)| problem).chain(zoo::epilogues()).chain([small_weights]);
    let packing = Options::default().accuracy(Accuracy::Relaxed).pack_weights();
    for problem in problems.flat_map(|problem| [problem.clone(), Gradient::all(problem).into()]) {
        let batch = problem.clone().with_batch(BATCH);
        for capabilities in &classes {
            proof.judge(&problem, capabilities, &Options::default(), |_| true)?;
            proof.judge(&problem, capabilities, &packing, |program| program.packed_bytes > 0)?;
            let tight = tight(&batch, capabilities)?;
            proof.judge(&batch, &tight, &packing, Program::is_split)?;
        }
    }
    proof.options(&classes)?;
    Ok(proof.conclude())
}

/// A device whose bindings hold two images of a batch, and all that the images share.
fn tight(problem: &Problem, capabilities: &Capabilities) -> wgconv::Result<Capabilities> {
    let geometry = Geometry::new(problem)?;
    let bytes = geometry.tensors().iter().map(|spec| match spec.name.is_per_image() {
        true => spec.bytes(Storage::F32) / BATCH as u64 * 2 + u64::from(capabilities.storage_alignment),
        false => spec.bytes(Storage::F32),
    });
    Ok(Capabilities { max_binding_bytes: bytes.max().unwrap_or(u64::MAX), ..*capabilities })
}

struct Proof {
    gpu: Gpu,
    older: Older,
    /// By operation.
    tried: BTreeMap<String, Tried>,
    /// What was run: classes of kernels share some of them.
    programs: Vec<Program>,
    words: usize,
    n_differ: usize,
}

/// Programs that an operation ran.
#[derive(Default)]
struct Tried {
    forward: usize,
    backward: usize,
    /// In parts.
    forward_in_parts: usize,
    backward_in_parts: usize,
    packed: usize,
    /// With packed weights, and parts that leave a remainder of the batch.
    packed_with_remainder: usize,
}

impl Proof {
    /// Computes a problem by both hosts, if its program is wanted.
    fn judge(
        &mut self,
        problem: &Problem,
        capabilities: &Capabilities,
        options: &Options,
        wanted: impl Fn(&Program) -> bool,
    ) -> wgconv::Result<()> {
        let program = match choose(&Geometry::new(problem)?, capabilities, options) {
            Ok(choice) => choice.program,
            // Tight limits refuse some.
            Err(wgconv::Error::Limit { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        if !wanted(&program) || self.programs.contains(&program) {
            return Ok(());
        }
        let inputs = random(&program.geometry, self.programs.len() as u64);
        let plan = Plan::new(&self.gpu.context().view(*capabilities), problem, options)?;
        if *plan.program() != program {
            println!("DIFFERENT PROGRAM: {problem:?} {options:?} {capabilities}");
            self.n_differ += 1;
        }
        let newer = self.gpu.run_plan(&plan, &inputs)?;
        let older = self.older.run(&program, &inputs)?;
        for (name, got) in older {
            let want = bits(&newer, name);
            self.words += want.len();
            if got != want {
                let first = got.iter().zip(&want).position(|(got, want)| got != want);
                println!("DIFFERENT {name} from {first:?} on: {problem:?} {options:?} {capabilities}");
                self.n_differ += 1;
            }
        }
        let (packed, in_parts) = (program.packed_bytes > 0, program.is_split());
        let (of, backward) = match problem {
            Problem::Gradient(gradient) => (&*gradient.of, true),
            _ => (problem, false),
        };
        let tried = self.tried.entry(of.op_name()).or_default();
        let (whole, parts) = match backward {
            true => (&mut tried.backward, &mut tried.backward_in_parts),
            false => (&mut tried.forward, &mut tried.forward_in_parts),
        };
        *if in_parts { parts } else { whole } += 1;
        tried.packed += usize::from(packed);
        tried.packed_with_remainder += usize::from(packed && program.parts.len() > 1);
        self.programs.push(program);
        Ok(())
    }

    /// What else a program may be asked for: f16, other layouts, buffers that are shared, checks at run time, a workspace of few bytes.
    fn options(&mut self, classes: &[Capabilities]) -> wgconv::Result<()> {
        let conv = Conv::new(BATCH, 6, [11, 10], 8, [3, 3]).padding(1).bias(true);
        let deform = DeformConv2d::new(BATCH, 4, [7, 6], 3, [3, 3]).padding(1).mask(true).bias(true);
        let accumulated = Gradient::all(conv.clone()).beta(0.5);
        let problems: [Problem; 5] = [
            conv.clone().into(),
            Gradient::all(conv).into(),
            accumulated.into(),
            deform.clone().into(),
            Gradient::all(deform).into(),
        ];
        for problem in &problems {
            let geometry = Geometry::new(problem)?;
            let per_image = geometry.tensors().iter().filter(|spec| spec.takes_layout());
            let channels_last = per_image.fold(Options::default(), |options, spec| {
                options.layout(spec.name, Layout::channels_last(&spec.shape))
            });
            for capabilities in classes {
                let narrow = Capabilities { f16: false, ..*capabilities };
                let halves = Options::default().storage(Storage::F16);
                self.judge(problem, capabilities, &halves, |_| true)?;
                self.judge(problem, &narrow, &halves, |_| true)?;
                self.judge(problem, capabilities, &channels_last, |_| true)?;
                self.judge(problem, capabilities, &Options { shared_buffers: true, ..Options::default() }, |_| true)?;
                self.judge(problem, capabilities, &Options { runtime_checks: true, ..Options::default() }, |_| true)?;
                for candidate in wgconv::candidates(&geometry, capabilities, &Options::default()) {
                    let mut options = Options::default().algorithm(candidate.algorithm);
                    // Two runs of atomic additions need not agree.
                    if candidate.verdict.is_err() || !candidate.algorithm.is_deterministic() {
                        continue;
                    }
                    self.judge(problem, capabilities, &options, |_| true)?;
                    options.workspace_limit = Some(candidate.workspace_bytes / 2);
                    match self.judge(problem, capabilities, &options, |_| true) {
                        Err(wgconv::Error::Algorithm { .. }) => {}
                        outcome => outcome?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether all agreed and nothing was left out; says so.
    fn conclude(&self) -> bool {
        println!("programs                    |    whole batch    |     in parts      | packed weights");
        println!("                            | forward  backward | forward  backward |    all  with a remainder");
        for (name, tried) in &self.tried {
            let Tried { forward, backward, forward_in_parts, backward_in_parts, packed, packed_with_remainder } = tried;
            print!("{name:<28}|{forward:>8}{backward:>10} |{forward_in_parts:>8}{backward_in_parts:>10} |");
            println!("{packed:>7}{packed_with_remainder:>18}");
        }
        let whole = |tried: &Tried| {
            let Tried { forward, backward, forward_in_parts, backward_in_parts, .. } = tried;
            [forward, backward, forward_in_parts, backward_in_parts].into_iter().all(|&n| n > 0)
        };
        let missing: Vec<&str> =
            OPERATIONS.into_iter().filter(|name| !self.tried.get(*name).is_some_and(whole)).collect();
        let n_steps: usize = self.programs.iter().map(|program| program.packing.len() + program.dispatch_count()).sum();
        println!(
            "{} programs, {n_steps} launches, {} words, {} differ",
            self.programs.len(),
            self.words,
            self.n_differ
        );
        if !missing.is_empty() {
            println!("NOT TRIED forward, backward and in parts: {}", missing.join(", "));
        }
        let remainder = self.tried.values().any(|tried| tried.packed_with_remainder > 0);
        if !remainder {
            println!("NOT TRIED: packed weights with a remainder of the batch");
        }
        self.n_differ == 0 && missing.is_empty() && remainder
    }
}

/// Data for what a problem reads: values in -1..1, offsets in -2.5..2.5.
fn random(geometry: &Geometry, seed: u64) -> Inputs {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut value = |name| match name {
        TensorName::Offset => rng.f32() * 5.0 - 2.5,
        _ => rng.f32() * 2.0 - 1.0,
    };
    let read = geometry.tensors().iter().filter(|spec| spec.access != Access::Write);
    read.map(|spec| (spec.name, (0..spec.len()).map(|_| value(spec.name)).collect())).collect()
}

/// The words of a tensor that was written.
fn bits(outputs: &Outputs, name: TensorName) -> Vec<u32> {
    match name {
        TensorName::Indices => outputs.indices.clone().unwrap_or_default(),
        TensorName::Output => outputs.output.iter().map(|value| value.to_bits()).collect(),
        gradient => outputs.gradients.get(&gradient).into_iter().flatten().map(|value| value.to_bits()).collect(),
    }
}
