//! The host's clock. The standard library has none in browsers.

/// A moment.
#[derive(Clone, Copy)]
pub(crate) struct Instant(Moment);

#[cfg(not(target_arch = "wasm32"))]
type Moment = std::time::Instant;
/// Milliseconds of `performance.now()`.
#[cfg(target_arch = "wasm32")]
type Moment = f64;

#[cfg(target_arch = "wasm32")]
mod global {
    use wasm_bindgen::prelude::wasm_bindgen;

    #[wasm_bindgen]
    extern "C" {
        /// Of windows and of workers.
        #[wasm_bindgen(js_namespace = performance)]
        pub fn now() -> f64;
    }
}

impl Instant {
    pub(crate) fn now() -> Instant {
        #[cfg(not(target_arch = "wasm32"))]
        let moment = std::time::Instant::now();
        #[cfg(target_arch = "wasm32")]
        let moment = global::now();
        Instant(moment)
    }

    /// Milliseconds since then.
    pub(crate) fn elapsed_ms(self) -> f64 {
        #[cfg(not(target_arch = "wasm32"))]
        let ms = self.0.elapsed().as_secs_f64() * 1e3;
        #[cfg(target_arch = "wasm32")]
        let ms = global::now() - self.0;
        ms
    }
}
