//! How long the device takes.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::gpu::{Gpu, Prepared};
use crate::timing::Instant;

/// Most executions in a sample.
pub(crate) const MAX_REPEATS: usize = 2000;

/// Milliseconds of work after which the clocks of a GPU are up. One that had nothing to do for a moment runs at a fraction of
/// its speed for tenths of a second.
const WARM_MS: f64 = 300.0;
/// Milliseconds after which they are taken for settled anyway.
const MOST_WARM_MS: f64 = 1500.0;
/// Milliseconds of one look at whether they have settled, and how much two looks may differ.
const LOOK_MS: f64 = 20.0;
const SETTLED: f64 = 0.02;
/// Milliseconds in which a clock makes many steps: browsers round to a tenth of one.
const CLOCK_STEPS_MS: f64 = if cfg!(target_arch = "wasm32") { 2.0 } else { 0.0 };

/// Executions that fill a sample of `sample_ms` when one takes `once_ms`.
pub(crate) fn repeats(sample_ms: f64, once_ms: f64) -> usize {
    ((sample_ms / once_ms.max(1e-6)).ceil() as usize).clamp(1, MAX_REPEATS)
}

/// Copies of `bytes` of tensors that together exceed `rotate_bytes`, so that none is found in a cache.
pub(crate) fn buffer_sets(rotate_bytes: u64, bytes: u64) -> usize {
    const MAX_BUFFER_SETS: u64 = 64;
    rotate_bytes.div_ceil(bytes.max(1)).clamp(1, MAX_BUFFER_SETS) as usize
}

/// Which clock to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Timestamps where the device has them, the wall clock elsewhere.
    #[default]
    Auto,
    /// The wall clock from submission to completion, whatever the device has.
    Wall,
}

/// What measured durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockKind {
    /// Timestamps of the device around a pass.
    Timestamp,
    /// The host's clock from submission to completion.
    Wall,
}

impl ClockKind {
    /// `timestamp` or `wall`.
    pub fn as_str(self) -> &'static str {
        match self {
            ClockKind::Timestamp => "timestamp",
            ClockKind::Wall => "wall",
        }
    }
}

/// Times compute passes on a device: by timestamps at the beginning and the end of the pass, or by the wall clock from
/// submission to completion, which includes what the driver needs to start and to report the end.
pub struct Stopwatch<'a> {
    gpu: &'a Gpu,
    timestamps: Option<Timestamps>,
}

struct Timestamps {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    nanoseconds_per_tick: f64,
}

impl<'a> Stopwatch<'a> {
    /// Makes a query set and a buffer of 16 bytes where timestamps are to be had.
    pub fn new(gpu: &'a Gpu, clock: Clock) -> Self {
        let device = gpu.device();
        let available = device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let timestamps = (clock == Clock::Auto && available).then(|| Timestamps {
            queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("wgconv stopwatch"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("wgconv stopwatch"),
                size: 16,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            nanoseconds_per_tick: gpu.queue().get_timestamp_period().into(),
        });
        Stopwatch { gpu, timestamps }
    }

    /// What it measures with.
    pub fn kind(&self) -> ClockKind {
        match self.timestamps {
            Some(_) => ClockKind::Timestamp,
            None => ClockKind::Wall,
        }
    }

    /// Milliseconds of one compute pass. Submits, and waits for the device: not in browsers.
    #[cfg(all(feature = "bench", not(target_arch = "wasm32")))]
    pub fn time(&self, record: impl FnOnce(&mut wgpu::ComputePass<'_>)) -> Result<f64> {
        pollster::block_on(self.time_async(record))
    }

    /// Likewise without blocking, for browsers.
    pub async fn time_async(&self, record: impl FnOnce(&mut wgpu::ComputePass<'_>)) -> Result<f64> {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let timestamp_writes = self.timestamps.as_ref().map(|clock| wgpu::ComputePassTimestampWrites {
            query_set: &clock.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        });
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("wgconv timed"), timestamp_writes });
        record(&mut pass);
        drop(pass);
        match &self.timestamps {
            Some(clock) => {
                encoder.resolve_query_set(&clock.queries, 0..2, &clock.resolved, 0);
                self.gpu.queue().submit([encoder.finish()]);
                let words = self.gpu.read_back_async(&clock.resolved).await?;
                let tick = |i: usize| u64::from(words[2 * i]) | u64::from(words[2 * i + 1]) << 32;
                match tick(1).checked_sub(tick(0)) {
                    // Browsers round to a tenth of a millisecond.
                    Some(ticks) if ticks > 0 || cfg!(target_arch = "wasm32") => {
                        Ok(ticks as f64 * clock.nanoseconds_per_tick * 1e-6)
                    }
                    _ => Err(Error::Device(format!(
                        "{}: timestamps {} and {} around a pass",
                        self.gpu.description(),
                        tick(0),
                        tick(1)
                    ))),
                }
            }
            None => self.wall(encoder).await,
        }
    }

    /// Milliseconds of one of `repeats` executions in a pass, which rotate through sets of buffers from the `first` on.
    pub(crate) async fn rotate(&self, sets: &[&Prepared], first: usize, repeats: usize) -> Result<f64> {
        let record = |pass: &mut wgpu::ComputePass<'_>| {
            for i in 0..repeats {
                sets[(first + i) % sets.len()].bound.encode_in_pass(pass);
            }
        };
        Ok(self.time_async(record).await? / repeats as f64)
    }

    /// Milliseconds of one execution, from as many as the clock can tell from none.
    pub(crate) async fn estimate(&self, prepared: &Prepared) -> Result<f64> {
        let mut count = 1;
        loop {
            let ms = self.rotate(&[prepared], 0, count).await?;
            if ms * count as f64 >= CLOCK_STEPS_MS || count == MAX_REPEATS {
                return Ok(ms);
            }
            count = (8 * count).min(MAX_REPEATS);
        }
    }

    /// Executes until clocks and caches have settled; milliseconds of one execution then. A device that is a CPU does so after
    /// so many executions, a GPU when several looks in a row agree.
    pub(crate) async fn settle(&self, sets: &[&Prepared], executions: usize) -> Result<f64> {
        let mut ms = match (executions, sets) {
            (1, [one, ..]) => self.estimate(one).await?,
            _ => self.rotate(sets, 0, executions).await?,
        };
        if self.gpu.info().device_type == wgpu::DeviceType::Cpu {
            return Ok(ms);
        }
        let (mut busy, mut agreed) = (ms * executions as f64, 0);
        while busy < MOST_WARM_MS && (busy < WARM_MS || agreed < 2) {
            let count = repeats(LOOK_MS, ms);
            let next = self.rotate(sets, 0, count).await?;
            agreed = if (next - ms).abs() <= SETTLED * ms { agreed + 1 } else { 0 };
            busy += next * count as f64;
            ms = next;
        }
        Ok(ms)
    }

    /// Milliseconds on the wall clock from the submission of what was recorded to its completion.
    pub(crate) async fn wall(&self, encoder: wgpu::CommandEncoder) -> Result<f64> {
        let commands = encoder.finish();
        self.gpu.wait().await?;
        let start = Instant::now();
        self.gpu.queue().submit([commands]);
        self.gpu.wait().await?;
        Ok(start.elapsed_ms())
    }
}
