//! A convolution inside somebody else's application: the program owns the device, keeps its tensors in one arena buffer,
//! and records the convolution between two compute passes of its own, in one encoder and one submit.
//!
//! cargo run --release --example embed

use wgconv::gpu::{Bindings, Context, Plan, required_features, required_limits};
use wgconv::{Activation, Conv, Options, PaddingMode, TensorName};

const SIZE: usize = 96;

/// The application's first pass draws a disc; its last one thresholds what the convolution made of it.
const APPLICATION: &str = r"
@group(0) @binding(0) var<storage, read_write> image: array<f32>;
@group(0) @binding(1) var<storage, read_write> edges: array<f32>;
@group(0) @binding(2) var<storage, read_write> marks: array<u32>;

const SIZE: u32 = 96u;

@compute @workgroup_size(8, 8)
fn draw(@builtin(global_invocation_id) id: vec3<u32>) {
    let p = vec2<f32>(id.xy) - 48.0;
    image[id.y * SIZE + id.x] = select(0.0, 1.0, dot(p, p) < 900.0);
}

@compute @workgroup_size(8, 8)
fn threshold(@builtin(global_invocation_id) id: vec3<u32>) {
    marks[id.y * SIZE + id.x] = u32(edges[id.y * SIZE + id.x] > 1.0);
}
";

/// The Laplacian: zero on flat ground, so only the disc's rim survives the relu.
const LAPLACIAN: [f32; 9] = [0.0, -1.0, 0.0, -1.0, 4.0, -1.0, 0.0, -1.0, 0.0];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let marked = run()?;
    println!("{marked} of {} pixels lie on the rim", SIZE * SIZE);
    Ok(())
}

/// Number of marked pixels.
pub fn run() -> Result<usize, Box<dyn std::error::Error>> {
    // The application's own set-up. It asks what the kernels need, on top of what it needs itself.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))?;
    let base = wgpu::Limits::downlevel_defaults().using_resolution(adapter.limits());
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        required_features: required_features(&adapter),
        required_limits: required_limits(&adapter, base),
        ..Default::default()
    }))?;

    // One arena for everything: image, edges, marks and the weight, at aligned offsets.
    let plane = (SIZE * SIZE * 4) as u64;
    let (image, edges, marks, weight) = (0, plane, 2 * plane, 3 * plane);
    let arena = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("arena"),
        size: 3 * plane + 256,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    queue.write_buffer(&arena, weight, bytemuck::cast_slice(&LAPLACIAN));

    // The convolution: planned and bound once, encoded every frame.
    let context = Context::new(&device);
    let problem = Conv::new(1, 1, [SIZE, SIZE], 1, [3, 3])
        .padding(1)
        .padding_mode(PaddingMode::Replicate)
        .activation(Activation::Relu);
    let options = Options { shared_buffers: true, ..Options::default() };
    let plan = Plan::new(&context, &problem.into(), &options)?;
    println!("{}: {}", plan.choice().algorithm, plan.choice().reason);
    let bound = plan.bind(
        &Bindings::new()
            .tensor_at(TensorName::Input, &arena, image)
            .tensor_at(TensorName::Weight, &arena, weight)
            .tensor_at(TensorName::Output, &arena, edges),
    )?;

    // The application's pipelines.
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("application"),
        source: wgpu::ShaderSource::Wgsl(APPLICATION.into()),
    });
    let pass_of = |entry_point: &str, bindings: &[(u32, u64)]| {
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry_point),
            layout: None,
            module: &module,
            entry_point: Some(entry_point),
            compilation_options: Default::default(),
            cache: None,
        });
        let entries: Vec<wgpu::BindGroupEntry<'_>> = bindings
            .iter()
            .map(|&(binding, offset)| wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &arena,
                    offset,
                    size: wgpu::BufferSize::new(plane),
                }),
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(entry_point),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        (pipeline, group)
    };
    let draw = pass_of("draw", &[(0, image)]);
    let threshold = pass_of("threshold", &[(1, edges), (2, marks)]);

    // One encoder, one pass, one submit: draw, convolve, threshold.
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    let tiles = SIZE as u32 / 8;
    pass.set_pipeline(&draw.0);
    pass.set_bind_group(0, &draw.1, &[]);
    pass.dispatch_workgroups(tiles, tiles, 1);
    bound.encode_in_pass(&mut pass);
    pass.set_pipeline(&threshold.0);
    pass.set_bind_group(0, &threshold.1, &[]);
    pass.dispatch_workgroups(tiles, tiles, 1);
    drop(pass);
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("staging"),
        size: plane,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    encoder.copy_buffer_to_buffer(&arena, marks, &staging, 0, plane);
    queue.submit([encoder.finish()]);

    // An application would go on drawing; this one looks at the result.
    staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("readback"));
    device.poll(wgpu::PollType::wait_indefinitely())?;
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..)?);
    Ok(words.iter().filter(|&&mark| mark != 0).count())
}
