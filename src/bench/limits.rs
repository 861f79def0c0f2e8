//! What the machine can do: micro-benchmarks in WGSL, the way the empirical roofline tools do it (Y. Lo et al. 2014, Roofline
//! Model Toolkit; for Vulkan, vkpeak). Several variants of each, the best of which counts.

use std::collections::BTreeMap;

use super::record::{Peak, PeakKind};
use crate::capabilities::KernelClass;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::gpu::shaders::{self, bind, uniform};
use crate::timing::{Clock, Stopwatch, Summary};

/// Of buffers.
const LABEL: &str = "wgconv limits";
const SAMPLES: usize = 5;
/// Milliseconds of a sample.
const SAMPLE_MS: f64 = 15.0;
/// Multiply-adds of a chain in the loop's body.
const STEPS: usize = 16;
const WORKGROUP_SIZE: u32 = 256;
/// Bytes of each buffer of the bandwidth benchmarks, where the device allows as many.
const BUFFER_BYTES: u64 = 256 << 20;

/// Measures multiply-adds in f32, in f16 where the device has it, reading, and copying. Takes some seconds and up to half
/// a GiB of buffers. `progress` hears of every variant before it runs. Blocks: not in browsers.
#[cfg(not(target_arch = "wasm32"))]
pub fn measure_peaks(gpu: &Gpu, clock: Clock, progress: &mut dyn FnMut(&str)) -> Result<Vec<Peak>> {
    pollster::block_on(measure_peaks_async(gpu, clock, progress))
}

/// Likewise without blocking, for browsers.
pub async fn measure_peaks_async(gpu: &Gpu, clock: Clock, progress: &mut dyn FnMut(&str)) -> Result<Vec<Peak>> {
    let stopwatch = Stopwatch::new(gpu, clock);
    let mut peaks = vec![multiply_adds(gpu, &stopwatch, PeakKind::F32Fma, progress).await?];
    if gpu.device().features().contains(wgpu::Features::SHADER_F16) {
        peaks.push(multiply_adds(gpu, &stopwatch, PeakKind::F16Fma, progress).await?);
    }
    peaks.extend(bandwidths(gpu, &stopwatch, progress).await?);
    Ok(peaks)
}

/// A shape of the multiply-add loop.
struct Fma {
    /// Components of a value.
    width: usize,
    chains: usize,
    /// The builtin, or a product and a sum, which compilers contract or not.
    builtin: bool,
}

impl Fma {
    fn shapes() -> impl Iterator<Item = Fma> {
        let shapes = [(1, 8), (1, 16), (2, 8), (4, 2), (4, 4), (4, 8)].into_iter();
        shapes.flat_map(|(width, chains)| [true, false].map(|builtin| Fma { width, chains, builtin }))
    }

    fn name(&self) -> String {
        let value = if self.width == 1 { "scalar".into() } else { format!("vec{}", self.width) };
        format!("{value} x {} {}", self.chains, if self.builtin { "fma" } else { "mul-add" })
    }

    fn source(&self, kind: PeakKind) -> String {
        let element = if kind == PeakKind::F16Fma { "f16" } else { "f32" };
        let value = if self.width == 1 { element.into() } else { format!("vec{}<{element}>", self.width) };
        let each = |line: &dyn Fn(usize) -> String| (0..self.chains).map(line).collect::<Vec<_>>();
        let declare = each(&|i| format!("var c{i} = Value(start + Element({}.0 / 16.0));", i % 16));
        let step = each(&|i| match self.builtin {
            true => format!("c{i} = fma(c{i}, factor, term);"),
            false => format!("c{i} = c{i} * factor + term;"),
        });
        let steps = vec![step.join(" "); STEPS];
        let total = each(&|i| format!("c{i}")).join(" + ");
        let sum = if self.width == 1 { total } else { format!("dot({total}, Value(Element(1.0)))") };
        let head = format!(
            "{}alias Element = {element};\nalias Value = {value};\nconst WORKGROUP_SIZE = {WORKGROUP_SIZE}u;\n",
            if kind == PeakKind::F16Fma { "enable f16;\n" } else { "" }
        );
        let body = include_str!("../../shaders/bench/peak_fma.wgsl")
            .replace("//DECLARE", &declare.join("\n    "))
            .replace("//STEP", &steps.join("\n        "))
            .replace("SUM", &sum);
        head + &body
    }

    /// Operations of an invocation for each iteration.
    fn operations(&self) -> f64 {
        (2 * self.width * self.chains * STEPS) as f64
    }
}

async fn multiply_adds(
    gpu: &Gpu,
    stopwatch: &Stopwatch<'_>,
    kind: PeakKind,
    progress: &mut dyn FnMut(&str),
) -> Result<Peak> {
    let workgroups: u32 = match gpu.capabilities().class {
        KernelClass::Gpu => 4096,
        KernelClass::Cpu => 64,
    };
    let output = storage(gpu, 256).await?;
    let params = uniform(gpu, LABEL, 16);
    let mut trials = Vec::new();
    for fma in Fma::shapes() {
        progress(&format!("{} {}", kind.as_str(), fma.name()));
        let pipeline = pipeline(gpu, &fma.name(), &fma.source(kind)).await?;
        let group = bind(gpu, &pipeline, &[&params, &output]);
        let run = async |iterations: u32| -> Result<f64> {
            let words: [u32; 4] = [0.5_f32.to_bits(), 1.0_f32.to_bits(), iterations, 0];
            gpu.queue().write_buffer(&params, 0, bytemuck::cast_slice(&words));
            let record = |pass: &mut wgpu::ComputePass<'_>| {
                pass.set_pipeline(&pipeline);
                pass.set_bind_group(0, &group, &[]);
                pass.dispatch_workgroups(workgroups, 1, 1);
            };
            stopwatch.time_async(record).await
        };
        run(1).await?;
        let mut iterations = 16_u32;
        while iterations < 1 << 20 && run(iterations).await? < SAMPLE_MS {
            iterations *= 2;
        }
        let samples_ms = samples(async || run(iterations).await).await?;
        let units = fma.operations() * f64::from(iterations) * f64::from(workgroups) * f64::from(WORKGROUP_SIZE);
        trials.push(Trial { name: fma.name(), units, samples_ms });
    }
    Trial::best(kind, trials)
}

/// A shape of the loop that reads or copies.
struct Stream {
    /// Bytes of an element.
    width: u64,
    /// Elements of an invocation.
    items: u64,
}

impl Stream {
    fn shapes() -> impl Iterator<Item = Stream> {
        [4, 8, 16].into_iter().flat_map(|width| [4, 16, 64].map(|items| Stream { width, items }))
    }

    fn value(&self) -> &'static str {
        match self.width {
            4 => "f32",
            8 => "vec2<f32>",
            _ => "vec4<f32>",
        }
    }

    fn name(&self) -> String {
        format!("{} x {}", self.value(), self.items)
    }

    fn source(&self, kind: PeakKind) -> String {
        let head = format!(
            "alias Value = {};\nconst WORKGROUP_SIZE = {WORKGROUP_SIZE}u;\nconst ITEMS = {}u;\n",
            self.value(),
            self.items
        );
        let total = match self.width {
            4 => "sum",
            8 => "dot(sum, vec2<f32>(1.0))",
            _ => "dot(sum, vec4<f32>(1.0))",
        };
        match kind {
            PeakKind::Read => head + &include_str!("../../shaders/bench/read.wgsl").replace("TOTAL", total),
            _ => head + include_str!("../../shaders/bench/copy.wgsl"),
        }
    }
}

/// Milliseconds, again and again.
async fn samples(run: impl AsyncFn() -> Result<f64>) -> Result<Vec<f64>> {
    let mut samples_ms = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        samples_ms.push(run().await?);
    }
    Ok(samples_ms)
}

async fn bandwidths(gpu: &Gpu, stopwatch: &Stopwatch<'_>, progress: &mut dyn FnMut(&str)) -> Result<[Peak; 2]> {
    let capabilities = gpu.capabilities();
    let mut bytes = BUFFER_BYTES;
    while bytes > capabilities.max_binding_bytes || bytes > capabilities.max_buffer_bytes {
        bytes /= 2;
    }
    let (from, to) = (storage(gpu, bytes).await?, storage(gpu, bytes).await?);
    let mut reads = Vec::new();
    let mut copies = Vec::new();
    for stream in Stream::shapes() {
        let workgroups = bytes / stream.width / stream.items / u64::from(WORKGROUP_SIZE);
        if workgroups == 0 || workgroups > u64::from(capabilities.max_workgroups_per_dimension) {
            continue;
        }
        let name = stream.name();
        for (kind, list, moved) in [(PeakKind::Read, &mut reads, bytes), (PeakKind::Copy, &mut copies, 2 * bytes)] {
            progress(&format!("{} {name}", kind.as_str()));
            let pipeline = pipeline(gpu, &name, &stream.source(kind)).await?;
            let group = bind(gpu, &pipeline, &[&from, &to]);
            let run = async || {
                let record = |pass: &mut wgpu::ComputePass<'_>| {
                    pass.set_pipeline(&pipeline);
                    pass.set_bind_group(0, &group, &[]);
                    pass.dispatch_workgroups(workgroups as u32, 1, 1);
                };
                stopwatch.time_async(record).await
            };
            run().await?;
            let samples_ms = samples(run).await?;
            list.push(Trial { name: name.clone(), units: moved as f64, samples_ms });
        }
    }
    progress("copy by the driver");
    let run = async || {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        // Often enough that the wall clock's own share vanishes.
        for _ in 0..4 {
            encoder.copy_buffer_to_buffer(&from, 0, &to, 0, bytes);
        }
        stopwatch.wall(encoder).await
    };
    run().await?;
    let samples_ms = samples(run).await?;
    copies.push(Trial { name: "copy_buffer_to_buffer".into(), units: 8.0 * bytes as f64, samples_ms });
    Ok([Trial::best(PeakKind::Read, reads)?, Trial::best(PeakKind::Copy, copies)?])
}

/// Samples of one variant.
struct Trial {
    name: String,
    /// Operations or bytes of a sample.
    units: f64,
    samples_ms: Vec<f64>,
}

impl Trial {
    fn per_second(&self) -> f64 {
        Summary::of(&self.samples_ms).map_or(0.0, |summary| self.units / (summary.median * 1e-3))
    }

    fn best(kind: PeakKind, trials: Vec<Trial>) -> Result<Peak> {
        let variants: BTreeMap<String, f64> =
            trials.iter().map(|trial| (trial.name.clone(), trial.per_second())).collect();
        let best = trials.into_iter().max_by(|a, b| a.per_second().total_cmp(&b.per_second()));
        let best = best.ok_or_else(|| Error::Unsupported {
            what: format!("the {} benchmark", kind.as_str()),
            reason: "no variant fits the device's limits".into(),
        })?;
        Ok(Peak { kind, per_second: best.per_second(), variant: best.name, samples_ms: best.samples_ms, variants })
    }
}

async fn storage(gpu: &Gpu, bytes: u64) -> Result<wgpu::Buffer> {
    let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let buffer = shaders::storage(gpu, LABEL, bytes);
    scope.pop().await.map_or(Ok(buffer), |error| Err(Error::Device(error.to_string())))
}

async fn pipeline(gpu: &Gpu, label: &str, source: &str) -> Result<wgpu::ComputePipeline> {
    let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::Validation);
    let pipeline = shaders::pipeline(gpu, label, source);
    let refused = |error| Err(Error::Device(format!("the driver refuses {label}: {error}")));
    scope.pop().await.map_or(Ok(pipeline), refused)
}

#[cfg(test)]
mod tests {
    use naga::valid::{Capabilities, ValidationFlags, Validator};

    use super::{Fma, PeakKind, Stream};

    #[test]
    fn every_variant_is_valid() {
        let mut sources = Vec::new();
        for kind in [PeakKind::F32Fma, PeakKind::F16Fma] {
            sources.extend(Fma::shapes().map(|fma| (fma.name(), fma.source(kind))));
        }
        for kind in [PeakKind::Read, PeakKind::Copy] {
            sources.extend(Stream::shapes().map(|stream| (stream.name(), stream.source(kind))));
        }
        assert_eq!(sources.len(), 24 + 18);
        for (name, source) in sources {
            let module = naga::front::wgsl::parse_str(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
            let capabilities = Capabilities::SHADER_FLOAT16;
            Validator::new(ValidationFlags::all(), capabilities)
                .validate(&module)
                .unwrap_or_else(|error| panic!("{name}: {}", error.into_inner()));
        }
    }

    #[test]
    fn operations_are_counted_from_the_source() {
        for fma in Fma::shapes() {
            let source = fma.source(PeakKind::F32Fma);
            let steps =
                if fma.builtin { source.matches("= fma(").count() } else { source.matches("* factor + term;").count() };
            assert_eq!(2.0 * (steps * fma.width) as f64, fma.operations(), "{}", fma.name());
        }
    }
}
