//! Layers of real networks, verified and timed in this browser, as a record that `wgconv report` reads.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use serde::{Deserialize, Serialize};
use wgconv::bench::{
    Clock, Device, Expected, Host, Item, Machine, Pass, Peak, Record, Row, RowNames, SCHEMA, Session, Settings,
    Software, measure_peaks_async, sample_inputs,
};
use wgconv::gpu::Gpu;
use wgconv::{Error, Geometry, Options, Problem, Result, Storage};

use crate::class_name;

/// What `wgconv bench --list --json` says of every suite.
const LAYERS: &str = include_str!("../layers.json");

#[derive(Debug, Clone, Deserialize)]
struct Layer {
    suite: String,
    layer: String,
    /// Too much for a software rasteriser.
    large: bool,
    problem: Problem,
}

/// A layer for the page.
#[derive(Debug, Serialize)]
pub struct Listed {
    suite: String,
    layer: String,
    large: bool,
    operation: String,
    flops: u64,
}

/// What the page asks for.
#[derive(Debug, Deserialize)]
pub struct Request {
    /// `SUITE/LAYER`.
    layers: BTreeSet<String>,
    passes: Vec<Pass>,
    rounds: usize,
    samples: usize,
    sample_ms: f64,
    label: Option<String>,
    /// Now, RFC 3339 in UTC.
    created: String,
    host: Host,
    /// Of the adapter, which the library does not hear of in browsers.
    device_name: String,
    commit: Option<String>,
}

/// What the page hears of.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Progress<'a> {
    /// Begins to do something.
    Doing { what: &'a str, done: usize, of: usize },
    /// Limits of the machine.
    Peaks { peaks: &'a [Peak] },
    /// A row as it stands.
    Row { index: usize, row: &'a Row },
}

fn layers() -> Result<Vec<Layer>> {
    serde_json::from_str(LAYERS).map_err(|error| Error::invalid("layers", "the built-in list", error.to_string()))
}

pub fn list() -> Result<Vec<Listed>> {
    let listed = |Layer { suite, layer, large, problem }| {
        let flops = 2 * Geometry::new(&problem)?.macs();
        Ok(Listed { suite, layer, large, operation: problem.op_name(), flops })
    };
    layers()?.into_iter().map(listed).collect()
}

const DEVICE: &str = "browser";
/// So that no execution finds the data of the last one in a cache.
const ROTATE_BYTES: u64 = 64 << 20;

struct Entry {
    suite: String,
    layer: String,
    operation: String,
    pass: Pass,
    item: Item,
}

impl Entry {
    fn row(&self, session: &Session<'_>, peaks: &[Peak]) -> Row {
        let names = RowNames {
            suite: &self.suite,
            layer: &self.layer,
            operation: &self.operation,
            pass: self.pass,
            device: DEVICE,
            chosen: true,
        };
        self.item.row(names, session.clock(), peaks)
    }
}

pub async fn run(gpu: &Gpu, request: &Request, tell: &dyn Fn(&Progress<'_>), stop: &Cell<bool>) -> Result<Record> {
    if request.layers.is_empty() || request.passes.is_empty() {
        return Err(Error::invalid("layers, passes", "none", "there is at least one of each"));
    }
    if !(1..=20).contains(&request.rounds) || !(1..=50).contains(&request.samples) {
        let value = format!("{}, {}", request.rounds, request.samples);
        return Err(Error::invalid("rounds, samples", value, "1 to 20 and 1 to 50"));
    }
    if !(1.0..=1000.0).contains(&request.sample_ms) {
        return Err(Error::invalid("sample_ms", request.sample_ms, "1 to 1000"));
    }
    let settings = Settings {
        rounds: request.rounds,
        samples: request.samples,
        sample_ms: request.sample_ms,
        rotate_bytes: ROTATE_BYTES,
    };
    let mut entries = Vec::new();
    for Layer { suite, layer, problem, .. } in layers()? {
        if request.layers.contains(&format!("{suite}/{layer}")) {
            for &pass in &request.passes {
                let Some(wanted) = pass.of(&problem) else { continue };
                let item = Item::new(wanted, Options::default());
                let (suite, layer, operation) = (suite.clone(), layer.clone(), problem.op_name());
                entries.push(Entry { suite, layer, operation, pass, item });
            }
        }
    }
    if entries.is_empty() {
        return Err(Error::invalid("layers", format!("{:?}", request.layers), "at least one is in the list"));
    }
    let of = entries.len() * settings.rounds;
    let mut hear = |what: &str| tell(&Progress::Doing { what: &format!("limits: {what}"), done: 0, of });
    let peaks = unless(stop, measure_peaks_async(gpu, Clock::Auto, &mut hear)).await.unwrap_or(Ok(Vec::new()))?;
    tell(&Progress::Peaks { peaks: &peaks });
    let session = Session::new(gpu, &settings, Clock::Auto);
    let mut done = 0;
    let mut interrupted = false;
    'rounds: for round in 0..settings.rounds {
        for (index, entry) in entries.iter_mut().enumerate() {
            if stop.get() {
                interrupted = true;
                break 'rounds;
            }
            let name = format!("{}/{} {}", entry.suite, entry.layer, entry.pass.as_str());
            let what = format!("round {} of {}: {name}", round + 1, settings.rounds);
            tell(&Progress::Doing { what: &what, done, of });
            done += 1;
            if !entry.item.is_alive() {
                continue;
            }
            let problem = entry.item.problem().clone();
            let inputs = sample_inputs(&Geometry::new(&problem)?);
            let mut expected = || Expected::of(&problem, &inputs, Storage::F32).map(Arc::new);
            session.visit_async(&mut entry.item, &inputs, &mut expected).await;
            tell(&Progress::Row { index, row: &entry.row(&session, &peaks) });
        }
    }
    let visited = entries.iter().filter(|entry| entry.item.was_visited());
    Ok(Record {
        schema: SCHEMA.into(),
        created: request.created.clone(),
        label: request.label.clone(),
        software: Software {
            wgconv: env!("CARGO_PKG_VERSION").into(),
            wgpu: env!("WGPU_VERSION").into(),
            commit: request.commit.clone(),
        },
        machine: Machine { host: request.host.clone(), load_before: None, usage_before: None, load_after: None },
        rows: visited.map(|entry| entry.row(&session, &peaks)).collect(),
        devices: vec![device(gpu, &request.device_name, session.clock(), peaks)],
        settings,
        interrupted,
    })
}

/// What a future yields, unless it is stopped before.
async fn unless<T>(stop: &Cell<bool>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match stop.get() {
        true => Poll::Ready(None),
        false => future.as_mut().poll(context).map(Some),
    })
    .await
}

fn device(gpu: &Gpu, name: &str, clock: wgconv::bench::ClockKind, peaks: Vec<Peak>) -> Device {
    let (info, capabilities) = (gpu.info(), gpu.capabilities());
    let limits: BTreeMap<String, u64> = [
        ("max_workgroups_per_dimension", capabilities.max_workgroups_per_dimension.into()),
        ("max_invocations_per_workgroup", capabilities.max_invocations_per_workgroup.into()),
        ("max_binding_bytes", capabilities.max_binding_bytes),
        ("max_buffer_bytes", capabilities.max_buffer_bytes),
        ("max_storage_buffers", capabilities.max_storage_buffers.into()),
        ("max_workgroup_storage_bytes", capabilities.max_workgroup_bytes.into()),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .into();
    Device {
        id: DEVICE.into(),
        name: if info.name.is_empty() { name.into() } else { info.name.clone() },
        backend: info.backend.to_string(),
        device_type: format!("{:?}", info.device_type),
        driver: info.driver.clone(),
        driver_info: info.driver_info.clone(),
        kernel_class: class_name(capabilities.class).into(),
        limits,
        features: gpu.device().features().iter_names().map(|(name, _)| name.to_lowercase()).collect(),
        clock,
        peaks,
    }
}
