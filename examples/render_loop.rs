//! A convolution of a texture's pixels inside a renderer's frame. The program owns the device and the loop; every frame is
//! one encoder and one submit:
//!
//! 1. a render pass draws the scene into a texture,
//! 2. a compute pass takes its pixels into a buffer, one plane a channel, and the convolution is recorded behind it,
//! 3. a render pass shows what came of it.
//!
//! No frame allocates anything, waits for anything, or leaves the GPU. examples/window shows the same frames in a window.
//!
//! cargo run --release --example render_loop

use std::error::Error;

use wgconv::gpu::{Bindings, Bound, Context, Plan, required_features, required_limits};
use wgconv::{Activation, Conv, Options, PaddingMode, TensorName};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Format of the scene: what `draw` writes and `take` reads.
const SCENE: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

const CHANNELS: usize = 3;

/// The application's own shaders.
const APPLICATION: &str = r"
struct Frame { size: vec2<u32>, time: f32, unused: f32 }

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var scene: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> planes: array<f32>;
@group(0) @binding(3) var<storage, read> filtered: array<f32>;

// One triangle that covers the target.
@vertex
fn cover(@builtin(vertex_index) i: u32) -> @builtin(position) vec4<f32> {
    return vec4(vec2(f32(i & 1u), f32(i >> 1u)) * 4.0 - 1.0, 0.0, 1.0);
}

// Discs that circle over a chequered floor.
@fragment
fn draw(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    let p = (at.xy - 0.5 * vec2<f32>(frame.size)) / f32(frame.size.y);
    let cell = vec2<i32>(floor(p * 8.0));
    var color = vec3(select(0.15, 0.3, ((cell.x + cell.y) & 1) == 0));
    for (var i = 0; i < 3; i++) {
        let angle = frame.time + 2.1 * f32(i);
        let center = 0.3 * vec2(cos(angle), sin(angle));
        if distance(p, center) < 0.08 + 0.04 * f32(i) {
            color = vec3(0.2) + 0.7 * vec3(f32(i == 0), f32(i == 1), f32(i == 2));
        }
    }
    return vec4(color, 1.0);
}

@compute @workgroup_size(8, 8)
fn take(@builtin(global_invocation_id) id: vec3<u32>) {
    if any(id.xy >= frame.size) {
        return;
    }
    let color = textureLoad(scene, id.xy, 0);
    let at = id.y * frame.size.x + id.x;
    let plane = frame.size.x * frame.size.y;
    planes[at] = color.r;
    planes[at + plane] = color.g;
    planes[at + 2u * plane] = color.b;
}

@fragment
fn show(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    let pixel = u32(at.y) * frame.size.x + u32(at.x);
    let plane = frame.size.x * frame.size.y;
    return vec4(filtered[pixel], filtered[pixel + plane], filtered[pixel + 2u * plane], 1.0);
}
";

/// Sharpens: the identity, and half of what tells a pixel from its eight neighbours.
const KERNEL: [f32; 9] = [-0.5, -0.5, -0.5, -0.5, 5.0, -0.5, -0.5, -0.5, -0.5];

/// The weights of [`problem`]: every channel by itself.
pub fn weight() -> Vec<f32> {
    KERNEL.repeat(CHANNELS)
}

/// The convolution of a scene of so many pixels.
pub fn problem(width: usize, height: usize) -> Conv {
    Conv::new(1, CHANNELS, [height, width], CHANNELS, [3, 3])
        .groups(CHANNELS)
        .padding(1)
        .padding_mode(PaddingMode::Replicate)
        .activation(Activation::Relu6)
}

/// Everything that a frame needs, made once.
pub struct Renderer {
    size: [u32; 2],
    frame: wgpu::Buffer,
    scene: wgpu::Texture,
    draw: (wgpu::RenderPipeline, wgpu::BindGroup),
    take: (wgpu::ComputePipeline, wgpu::BindGroup),
    convolution: Bound,
    show: (wgpu::RenderPipeline, wgpu::BindGroup),
}

impl Renderer {
    /// For targets of that format and size.
    pub fn new(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        [width, height]: [u32; 2],
        target: wgpu::TextureFormat,
    ) -> Result<Renderer> {
        let scene = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("scene"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: SCENE,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT
                | wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let buffer = |label, size, usage| {
            device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
        };
        let storage = wgpu::BufferUsages::STORAGE;
        let bytes = u64::from(width) * u64::from(height) * CHANNELS as u64 * 4;
        let frame = buffer("frame", 16, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST);
        let planes = buffer("planes", bytes, storage);
        let filtered = buffer("filtered", bytes, storage);
        let kernel = weight();
        let weight = buffer("weight", kernel.len() as u64 * 4, storage | wgpu::BufferUsages::COPY_DST);
        queue.write_buffer(&weight, 0, bytemuck::cast_slice(&kernel));

        // The convolution: planned and bound once.
        let context = Context::new(device);
        let problem = problem(width as usize, height as usize);
        let plan = Plan::new(&context, &problem.into(), &Options::default())?;
        let workspace = buffer("workspace", plan.workspace_size().max(4), storage);
        let convolution = plan.bind(
            &Bindings::new()
                .tensor(TensorName::Input, &planes)
                .tensor(TensorName::Weight, &weight)
                .tensor(TensorName::Output, &filtered)
                .workspace(&workspace),
        )?;

        // The application's pipelines.
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("application"),
            source: wgpu::ShaderSource::Wgsl(APPLICATION.into()),
        });
        let group = |layout: &wgpu::BindGroupLayout, entries: &[(u32, wgpu::BindingResource<'_>)]| {
            let entries: Vec<wgpu::BindGroupEntry<'_>> = entries
                .iter()
                .map(|(binding, resource)| wgpu::BindGroupEntry { binding: *binding, resource: resource.clone() })
                .collect();
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
        };
        let render = |entry_point: &str, format: wgpu::TextureFormat| {
            device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                label: Some(entry_point),
                layout: None,
                vertex: wgpu::VertexState {
                    module: &module,
                    entry_point: Some("cover"),
                    compilation_options: Default::default(),
                    buffers: &[],
                },
                primitive: Default::default(),
                depth_stencil: None,
                multisample: Default::default(),
                fragment: Some(wgpu::FragmentState {
                    module: &module,
                    entry_point: Some(entry_point),
                    compilation_options: Default::default(),
                    targets: &[Some(format.into())],
                }),
                multiview_mask: None,
                cache: None,
            })
        };
        let draw = render("draw", SCENE);
        let draw_group = group(&draw.get_bind_group_layout(0), &[(0, frame.as_entire_binding())]);
        let take = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("take"),
            layout: None,
            module: &module,
            entry_point: Some("take"),
            compilation_options: Default::default(),
            cache: None,
        });
        let view = scene.create_view(&Default::default());
        let take_group = group(
            &take.get_bind_group_layout(0),
            &[
                (0, frame.as_entire_binding()),
                (1, wgpu::BindingResource::TextureView(&view)),
                (2, planes.as_entire_binding()),
            ],
        );
        let show = render("show", target);
        let show_group =
            group(&show.get_bind_group_layout(0), &[(0, frame.as_entire_binding()), (3, filtered.as_entire_binding())]);
        Ok(Renderer {
            size: [width, height],
            frame,
            scene,
            draw: (draw, draw_group),
            take: (take, take_group),
            convolution,
            show: (show, show_group),
        })
    }

    /// What the first pass draws into.
    pub fn scene(&self) -> &wgpu::Texture {
        &self.scene
    }

    /// Records a frame. The caller submits.
    pub fn record(
        &self,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        target: &wgpu::TextureView,
        time: f32,
    ) {
        let [width, height] = self.size;
        queue.write_buffer(&self.frame, 0, bytemuck::cast_slice(&[width, height, time.to_bits(), 0]));
        fill(encoder, &self.scene.create_view(&Default::default()), &self.draw);
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.take.0);
        pass.set_bind_group(0, &self.take.1, &[]);
        pass.dispatch_workgroups(width.div_ceil(8), height.div_ceil(8), 1);
        self.convolution.encode_in_pass(&mut pass);
        drop(pass);
        fill(encoder, target, &self.show);
    }
}

/// A render pass that covers its target.
fn fill(
    encoder: &mut wgpu::CommandEncoder,
    target: &wgpu::TextureView,
    (pipeline, group): &(wgpu::RenderPipeline, wgpu::BindGroup),
) {
    let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: None,
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: target,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
        })],
        ..Default::default()
    });
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, group, &[]);
    pass.draw(0..3, 0..1);
}

/// Asks for a device as this renderer needs it: what the kernels want on top of what it wants itself.
pub fn open(adapter: &wgpu::Adapter) -> Result<(wgpu::Device, wgpu::Queue)> {
    let base = wgpu::Limits::downlevel_defaults().using_resolution(adapter.limits());
    Ok(pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        required_features: required_features(adapter),
        required_limits: required_limits(adapter, base),
        ..Default::default()
    }))?)
}

/// A frame as it was drawn and as it was shown: 4 bytes a pixel, rows from the top.
#[derive(Debug, PartialEq)]
pub struct Frame {
    /// Before the convolution.
    pub scene: Vec<u8>,
    /// Behind it.
    pub shown: Vec<u8>,
}

/// Renders frames at those times into a texture, without a window, and reads the last one back.
pub fn run([width, height]: [u32; 2], times: &[f32]) -> Result<Frame> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))?;
    let (device, queue) = open(&adapter)?;
    let renderer = Renderer::new(&device, &queue, [width, height], SCENE)?;
    let size = wgpu::Extent3d { width, height, depth_or_array_layers: 1 };
    let screen = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("screen"),
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: SCENE,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let view = screen.create_view(&Default::default());
    for &time in times {
        let mut encoder = device.create_command_encoder(&Default::default());
        renderer.record(&queue, &mut encoder, &view, time);
        queue.submit([encoder.finish()]);
    }
    let read = |texture: &wgpu::Texture| -> Result<Vec<u8>> {
        // Rows of a copy begin at multiples of 256 bytes.
        let pitch = (width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let staging = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: u64::from(pitch) * u64::from(height),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(pitch), rows_per_image: None };
        let mut encoder = device.create_command_encoder(&Default::default());
        encoder.copy_texture_to_buffer(
            texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo { buffer: &staging, layout },
            size,
        );
        queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            let _ = sender.send(result);
        });
        device.poll(wgpu::PollType::wait_indefinitely())?;
        receiver.recv()??;
        let mapped = staging.get_mapped_range(..)?;
        let rows = mapped.chunks_exact(pitch as usize);
        Ok(rows.flat_map(|row| &row[..width as usize * 4]).copied().collect())
    };
    Ok(Frame { scene: read(renderer.scene())?, shown: read(&screen)? })
}

fn main() -> Result<()> {
    let frame = run([320, 240], &[0.0, 0.1, 0.2])?;
    let changed = frame.scene.chunks_exact(4).zip(frame.shown.chunks_exact(4)).filter(|(a, b)| a != b).count();
    println!("3 frames; the convolution changed {changed} of {} pixels of the last", 320 * 240);
    Ok(())
}
