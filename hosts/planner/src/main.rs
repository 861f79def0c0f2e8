//! Plans a convolution and its gradients for a device that this machine need not have, and prints what a host would run. The
//! library is built without any GPU API.
//!
//!     cargo run --manifest-path hosts/planner/Cargo.toml -- rtx-4090

use std::error::Error;

use wgconv::program::Program;
use wgconv::{Capabilities, Conv, Geometry, Gradient, Options, Problem, choose};

fn main() -> Result<(), Box<dyn Error>> {
    let device = std::env::args().nth(1).unwrap_or_else(|| "webgpu".into());
    let capabilities = Capabilities::preset(&device).ok_or_else(|| {
        let names: Vec<&str> = Capabilities::presets().collect();
        format!("DEVICE = {device}: it must be one of {}", names.join(", "))
    })?;
    let layer: Problem = Conv::new(1, 64, [56, 56], 64, [3, 3]).padding(1).bias(true).into();
    for problem in [layer.clone(), Gradient::all(layer).into()] {
        let choice = choose(&Geometry::new(&problem)?, &capabilities, &Options::default().pack_weights())?;
        println!("{} by {}: {}", problem.op_name(), choice.algorithm, choice.reason);
        print(&choice.program, &capabilities)?;
    }
    Ok(())
}

fn print(program: &Program, capabilities: &Capabilities) -> Result<(), Box<dyn Error>> {
    println!("{} bytes of workspace, {} of packed weights", program.workspace_bytes, program.packed_bytes);
    let launches: Vec<_> = program.launches().collect();
    for step in program.packing_steps(capabilities)?.iter().chain(&program.steps(capabilities)?) {
        let dispatch = launches[step.launch];
        let lines = program.source(dispatch).lines().count();
        println!("{:?} workgroups of {}, {lines} lines of WGSL", step.grid, dispatch.variant.label());
        for (binding, span) in dispatch.variant.kernel.bindings.iter().zip(&step.spans) {
            println!("    {}: {:?}, {} bytes from {}", binding.name, span.memory, span.bytes, span.offset);
        }
    }
    Ok(())
}
