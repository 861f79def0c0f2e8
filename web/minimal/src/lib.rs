//! A convolution in a web page. docs/web.md goes through it.

use wasm_bindgen::prelude::*;
use wgconv::gpu::{Gpu, Plan, Select};
use wgconv::{Conv, Inputs, Options, TensorName};

/// A device and a layer that is compiled for it.
#[wasm_bindgen]
pub struct Blur {
    gpu: Gpu,
    plan: Plan,
}

fn to_js(error: wgconv::Error) -> JsError {
    JsError::new(&error.to_string())
}

#[wasm_bindgen]
impl Blur {
    /// A mean of 3 x 3 pixels for images of this size, one channel.
    pub async fn open(height: usize, width: usize) -> Result<Blur, JsError> {
        let gpu = Gpu::open_async(&Select::Auto).await.map_err(to_js)?;
        let layer = Conv::new(1, 1, [height, width], 1, [3, 3]).padding(1);
        let plan = Plan::new_async(gpu.context(), &layer.into(), &Options::default()).await.map_err(to_js)?;
        Ok(Blur { gpu, plan })
    }

    /// Uploads, computes, reads back.
    pub async fn run(&self, pixels: Vec<f32>) -> Result<Vec<f32>, JsError> {
        let inputs = Inputs::from([(TensorName::Input, pixels), (TensorName::Weight, vec![1.0 / 9.0; 9])]);
        let outputs = self.gpu.run_plan_async(&self.plan, &inputs).await.map_err(to_js)?;
        Ok(outputs.output)
    }
}
