//! What the playground computes, in a worker of the page: everything by the GPU kernels of wgconv, judged by its f64
//! reference in the same browser. Settings come in and results go out as JSON and as arrays of numbers.

mod bench;
mod check;
mod explore;
#[path = "../../tests/common/zoo.rs"]
mod zoo;

use std::cell::Cell;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use wgconv::KernelClass;
use wgconv::gpu::{Gpu, Select};

/// A device of the browser, opened.
#[wasm_bindgen]
pub struct Engine {
    gpu: Rc<Gpu>,
    stop: Cell<bool>,
}

/// What the page says of the device.
#[derive(Serialize)]
struct Device {
    name: String,
    kernel_class: &'static str,
    timestamps: bool,
    f16: bool,
    max_binding_bytes: u64,
    max_workgroup_bytes: u32,
    max_storage_buffers: u32,
    version: &'static str,
}

fn to_js(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}

fn parse<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, JsError> {
    serde_json::from_str(json).map_err(|error| JsError::new(&format!("{what}: {error}")))
}

fn write(value: &impl Serialize) -> Result<String, JsError> {
    serde_json::to_string(value).map_err(to_js)
}

fn class_name(class: KernelClass) -> &'static str {
    match class {
        KernelClass::Gpu => "gpu",
        KernelClass::Cpu => "cpu",
    }
}

#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[wasm_bindgen]
impl Engine {
    /// Opens the browser's adapter. `family` is `auto`, or the family of kernels to use whatever the device is.
    pub async fn open(family: String) -> Result<Engine, JsError> {
        let mut gpu = Gpu::open_async(&Select::Auto).await.map_err(to_js)?;
        let class = match family.as_str() {
            "auto" => gpu.capabilities().class,
            "gpu" => KernelClass::Gpu,
            "cpu" => KernelClass::Cpu,
            other => return Err(JsError::new(&format!("family = {other}: it must be auto, gpu or cpu"))),
        };
        let capabilities = wgconv::Capabilities { class, ..*gpu.capabilities() };
        gpu = gpu.with_capabilities(capabilities);
        Ok(Engine { gpu: Rc::new(gpu), stop: Cell::new(false) })
    }

    /// What the device is, as JSON.
    pub fn device(&self) -> Result<String, JsError> {
        let capabilities = self.gpu.capabilities();
        write(&Device {
            name: self.gpu.info().name.clone(),
            kernel_class: class_name(capabilities.class),
            timestamps: self.gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY),
            f16: capabilities.f16,
            max_binding_bytes: capabilities.max_binding_bytes,
            max_workgroup_bytes: capabilities.max_workgroup_bytes,
            max_storage_buffers: capabilities.max_storage_buffers,
            version: env!("CARGO_PKG_VERSION"),
        })
    }

    /// The plain and the deformable layer over an image, and the gradient of the offsets at one position.
    pub async fn explore(&self, scene: String, image: Vec<f32>) -> Result<explore::View, JsError> {
        explore::view(&self.gpu, &parse("scene", &scene)?, image).await.map_err(to_js)
    }

    /// The same, and what the f64 reference says of it: JSON.
    pub async fn compare(&self, scene: String, image: Vec<f32>) -> Result<String, JsError> {
        let compared = explore::compare(&self.gpu, &parse("scene", &scene)?, image).await.map_err(to_js)?;
        write(&compared)
    }

    /// A layer whose offsets, one for each tap, learn by gradient descent.
    pub async fn learn(&self, scene: String, image: Vec<f32>) -> Result<explore::Learner, JsError> {
        explore::Learner::new(self.gpu.clone(), parse("scene", &scene)?, image).await.map_err(to_js)
    }

    /// Names of the problems that are checked, as JSON.
    pub fn problems(&self) -> Result<String, JsError> {
        write(&check::problems().iter().map(|(name, problem)| (name, problem.op_name())).collect::<Vec<_>>())
    }

    /// One of them: its output and all its gradients against the reference. JSON.
    pub async fn check(&self, index: usize, every_algorithm: bool) -> Result<String, JsError> {
        write(&check::check(&self.gpu, index, every_algorithm).await.map_err(to_js)?)
    }

    /// Suites and layers, as JSON.
    pub fn layers(&self) -> Result<String, JsError> {
        write(&bench::list().map_err(to_js)?)
    }

    /// Measures; `progress` hears of every step as JSON. The record, as JSON.
    pub async fn bench(&self, request: String, progress: js_sys::Function) -> Result<String, JsError> {
        self.stop.set(false);
        let tell = |message: &bench::Progress<'_>| {
            if let Ok(json) = serde_json::to_string(message) {
                // A listener that throws is the page's own trouble.
                let _ = progress.call1(&JsValue::NULL, &JsValue::from_str(&json));
            }
        };
        let record = bench::run(&self.gpu, &parse("bench", &request)?, &tell, &self.stop).await.map_err(to_js)?;
        serde_json::to_string_pretty(&record).map_err(to_js)
    }

    /// Ends what `bench` measures behind the current row.
    pub fn stop(&self) {
        self.stop.set(true);
    }
}

/// The four pixels around a point (y, x) with their shares: y, x, share for each.
#[wasm_bindgen]
pub fn corners(y: f64, x: f64) -> Vec<f64> {
    if !(y.is_finite() && x.is_finite()) {
        return Vec::new();
    }
    wgconv::reference::bilinear_corners(y, x).iter().flat_map(|c| [c.y as f64, c.x as f64, c.weight]).collect()
}
