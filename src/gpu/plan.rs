//! A problem compiled for a device.

use std::sync::Arc;
#[cfg(not(target_arch = "wasm32"))]
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bound::{Bindings, Bound};
use super::context::{Context, Pipeline};
use crate::choose::{Choice, choose};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::options::Options;
use crate::problem::Problem;
use crate::program::{Operand, Part, Program};

/// Pipelines, dispatch sizes and workspace of one problem. Made once, `Send + Sync` outside browsers, bound as often as
/// wanted. Making one compiles shaders that the context has not seen yet; it never submits, blocks on the GPU or creates
/// a device.
pub struct Plan {
    pub(super) context: Context,
    choice: Choice,
    /// Of every launch of the program.
    pub(super) pipelines: Vec<Arc<Pipeline>>,
}

impl Plan {
    /// Checks the problem, chooses an algorithm and compiles it.
    pub fn new(context: &Context, problem: &Problem, options: &Options) -> Result<Self> {
        let choice = choose(&Geometry::new(problem)?, context.capabilities(), options)?;
        let program = &choice.program;
        let compile = |dispatch| context.pipeline(program, dispatch);
        let pipelines = program.launches().map(compile).collect::<Result<_>>()?;
        Ok(Plan { context: context.clone(), choice, pipelines })
    }

    /// [`Plan::new`] for browsers, which say only later that they refuse a shader: waits for that answer.
    /// [`Plan::new`] works there as well, but leaves a refusal to the device's error handler.
    pub async fn new_async(context: &Context, problem: &Problem, options: &Options) -> Result<Self> {
        #[cfg(target_arch = "wasm32")]
        let refusal = context.watch();
        let plan = Plan::new(context, problem, options);
        #[cfg(target_arch = "wasm32")]
        refusal.answer(context, problem).await?;
        plan
    }

    /// Plans of several problems, each as [`Plan::new`] makes it and in their order. Pipelines are compiled on as many
    /// threads as the machine runs at once, where the system starts them: a network is ready sooner. Blocks until all are made.
    ///
    /// ```no_run
    /// use wgconv::gpu::{Gpu, Plan, Select};
    /// use wgconv::{Conv, Options};
    /// let gpu = Gpu::open(&Select::Auto)?;
    /// let layers = [64, 128, 256].map(|c| (Conv::new(1, c, [56, 56], c, [3, 3]).padding(1).into(), Options::default()));
    /// let plans = Plan::many(gpu.context(), &layers).into_iter().collect::<wgconv::Result<Vec<Plan>>>()?;
    /// # Ok::<(), wgconv::Error>(())
    /// ```
    pub fn many(context: &Context, requests: &[(Problem, Options)]) -> Vec<Result<Plan>> {
        let make = |(problem, options): &(Problem, Options)| Plan::new(context, problem, options);
        // A browser compiles on threads of its own.
        #[cfg(not(target_arch = "wasm32"))]
        if requests.len() > 1 {
            return on_threads(requests, make);
        }
        requests.iter().map(make).collect()
    }

    /// What it runs.
    pub fn program(&self) -> &Program {
        &self.choice.program
    }

    /// The checked problem.
    pub fn geometry(&self) -> &Geometry {
        &self.program().geometry
    }

    /// The algorithm and why it was chosen.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// The options that it was made with.
    pub fn options(&self) -> &Options {
        &self.program().options
    }

    /// Bytes of workspace that [`Bindings::workspace`] must provide; zero for most algorithms.
    pub fn workspace_size(&self) -> u64 {
        self.program().workspace_bytes
    }

    /// Bytes of packed weights that [`Bindings::packed`] must provide; zero without [`Options::pack_weights`] and for
    /// algorithms that read the weights as they are.
    pub fn packed_size(&self) -> u64 {
        self.program().packed_bytes
    }

    /// Number of dispatches that one `encode` records.
    pub fn dispatch_count(&self) -> usize {
        self.program().dispatch_count()
    }

    /// Bytes that the dispatches of one `encode` bind, counting what one dispatch binds twice or never as often: a lower
    /// bound of what this algorithm moves if no dispatch finds another's data in a cache.
    pub fn traffic_bytes(&self) -> u64 {
        let bytes = |operand: &Operand, images: usize| match *operand {
            Operand::Workspace { bytes, .. } | Operand::Packed { bytes, .. } | Operand::Widened { bytes, .. } => bytes,
            Operand::Unused => 0,
            Operand::Tensor(name) => self.geometry().tensor(name).map_or(0, |spec| {
                let len = spec.bytes(self.options().storage);
                if spec.takes_layout() { len / spec.shape[0] as u64 * images as u64 } else { len }
            }),
        };
        let of = |part: &Part| -> u64 {
            let operands = part.dispatches.iter().flat_map(|dispatch| &dispatch.operands);
            part.count as u64 * operands.map(|operand| bytes(operand, part.images)).sum::<u64>()
        };
        self.program().parts.iter().map(of).sum()
    }

    /// The compiled kernels in order of first use, those that pack weights first, each with its constants.
    pub fn kernels(&self) -> Vec<String> {
        let mut labels = Vec::new();
        for dispatch in self.program().launches() {
            let label = dispatch.variant.label();
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        labels
    }

    /// Attaches buffers. Checks presence, usage, alignment, size and overlap; creates the uniform buffer and the bind
    /// groups. The buffers must outlive what is encoded, which wgpu sees to.
    pub fn bind(&self, bindings: &Bindings<'_>) -> Result<Bound> {
        Bound::new(self, bindings)
    }
}

/// Each request as `make` answers it, on as many threads as the machine runs at once.
#[cfg(not(target_arch = "wasm32"))]
fn on_threads<R: Sync>(requests: &[R], make: impl Fn(&R) -> Result<Plan> + Sync) -> Vec<Result<Plan>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(requests.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let indices = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        let mine = indices.map_while(|i| Some((i, make(requests.get(i)?))));
        mine.collect::<Vec<_>>()
    };
    let mut plans: Vec<(usize, Result<Plan>)> = std::thread::scope(|scope| {
        // Where the system starts no more threads, those that there are do all the work.
        let start = || std::thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads).map_while(|_| start()).collect();
        let mut plans = work();
        for other in others {
            plans.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        plans
    });
    plans.sort_by_key(|(i, _)| *i);
    plans.into_iter().map(|(_, plan)| plan).collect()
}
