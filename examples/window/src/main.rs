//! The frames of examples/render_loop.rs in a window.
//!
//! cargo run --release --manifest-path examples/window/Cargo.toml

#[path = "../../render_loop.rs"]
#[allow(dead_code, reason = "it has a main and a readback of its own")]
mod render_loop;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use render_loop::Renderer;
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalSize;
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop};
use winit::window::{Window, WindowId};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let event_loop = EventLoop::new()?;
    event_loop.set_control_flow(ControlFlow::Poll);
    let mut application = Application::default();
    event_loop.run_app(&mut application)?;
    application.trouble.map_or(Ok(()), Err)
}

/// What the event loop drives.
#[derive(Default)]
struct Application {
    shown: Option<Shown>,
    trouble: Option<Box<dyn Error>>,
}

/// A window with everything that draws into it.
struct Shown {
    window: Arc<Window>,
    surface: wgpu::Surface<'static>,
    configuration: wgpu::SurfaceConfiguration,
    device: wgpu::Device,
    queue: wgpu::Queue,
    renderer: Renderer,
    start: Instant,
}

impl Shown {
    fn new(event_loop: &ActiveEventLoop) -> Result<Shown> {
        let attributes = Window::default_attributes()
            .with_title("wgconv between two passes")
            .with_inner_size(PhysicalSize::new(640, 480));
        let window = Arc::new(event_loop.create_window(attributes)?);
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let surface = instance.create_surface(window.clone())?;
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions {
            compatible_surface: Some(&surface),
            ..Default::default()
        }))?;
        let (device, queue) = render_loop::open(&adapter)?;
        let PhysicalSize { width, height } = window.inner_size();
        let mut configuration =
            surface.get_default_config(&adapter, width.max(1), height.max(1)).ok_or("the window cannot be drawn to")?;
        // The colours of the scene are encoded already.
        configuration.format = configuration.format.remove_srgb_suffix();
        surface.configure(&device, &configuration);
        let size = [configuration.width, configuration.height];
        let renderer = Renderer::new(&device, &queue, size, configuration.format)?;
        Ok(Shown { window, surface, configuration, device, queue, renderer, start: Instant::now() })
    }

    /// A new size is a new problem: it is planned again.
    fn resize(&mut self, size: PhysicalSize<u32>) -> Result<()> {
        if size.width == 0 || size.height == 0 {
            return Ok(());
        }
        (self.configuration.width, self.configuration.height) = (size.width, size.height);
        self.surface.configure(&self.device, &self.configuration);
        let format = self.configuration.format;
        self.renderer = Renderer::new(&self.device, &self.queue, [size.width, size.height], format)?;
        Ok(())
    }

    fn draw(&mut self) -> Result<()> {
        let frame = match self.surface.get_current_texture() {
            wgpu::CurrentSurfaceTexture::Success(frame) => frame,
            wgpu::CurrentSurfaceTexture::Suboptimal(_)
            | wgpu::CurrentSurfaceTexture::Outdated
            | wgpu::CurrentSurfaceTexture::Lost => return self.resize(self.window.inner_size()),
            wgpu::CurrentSurfaceTexture::Timeout | wgpu::CurrentSurfaceTexture::Occluded => return Ok(()),
            wgpu::CurrentSurfaceTexture::Validation => return Err("the window's texture is refused".into()),
        };
        let view = frame.texture.create_view(&Default::default());
        let mut encoder = self.device.create_command_encoder(&Default::default());
        self.renderer.record(&self.queue, &mut encoder, &view, self.start.elapsed().as_secs_f32());
        self.queue.submit([encoder.finish()]);
        self.window.pre_present_notify();
        self.queue.present(frame);
        Ok(())
    }
}

impl Application {
    /// Ends the loop with what went wrong.
    fn end_on<T>(&mut self, event_loop: &ActiveEventLoop, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.trouble = Some(error);
                event_loop.exit();
                None
            }
        }
    }
}

impl ApplicationHandler for Application {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        if self.shown.is_none() {
            self.shown = self.end_on(event_loop, Shown::new(event_loop));
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let Some(shown) = &mut self.shown else { return };
        let result = match event {
            WindowEvent::CloseRequested => {
                event_loop.exit();
                Ok(())
            }
            WindowEvent::Resized(size) => shown.resize(size),
            WindowEvent::RedrawRequested => {
                let drawn = shown.draw();
                shown.window.request_redraw();
                drawn
            }
            _ => Ok(()),
        };
        self.end_on(event_loop, result);
    }

    fn about_to_wait(&mut self, _: &ActiveEventLoop) {
        if let Some(shown) = &self.shown {
            shown.window.request_redraw();
        }
    }
}
