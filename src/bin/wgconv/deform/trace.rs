//! `wgconv deform trace`.

use std::path::PathBuf;

use clap::Args;
use wgconv::lab::picture::render;
use wgconv::lab::trace::{Tap, TracePicture, trace};

use super::layer::{Layer, LayerArgs, pair, picture_format};
use crate::console::{Table, say, say_json};
use crate::failure::{Failure, Result};
use crate::files;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv deform trace CASE_DIR --at 3,4                          every tap of one output position
  wgconv deform trace CASE_DIR --at 3,4 --tap 0,2 --picture t.svg
  wgconv deform trace --image cat.png --preset wave --strength 3 --at 20,30 --at 60,40 --picture t.png
  wgconv deform trace CASE_DIR --at 3,4 --json                   with every channel's share of every gradient

A case folder brings its own offsets, masks and grad_output (without one, every output counts once); an image gets a layer
with equal weights and offsets by a preset. Rows and columns count from 0.")]
pub struct TraceArgs {
    #[command(flatten)]
    layer: LayerArgs,
    /// Output position; may be repeated
    #[arg(long, value_name = "ROW,COLUMN", required = true, value_parser = pair)]
    at: Vec<[usize; 2]>,
    /// Image of the batch
    #[arg(long, value_name = "N", default_value_t = 0)]
    batch_index: usize,
    /// Only this offset group
    #[arg(long, value_name = "N")]
    offset_group: Option<usize>,
    /// Only this tap of the kernel, with its corners
    #[arg(long, value_name = "ROW,COLUMN", value_parser = pair)]
    tap: Option<[usize; 2]>,
    /// Draw the points over the input, as .svg or .png
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Print everything in JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &TraceArgs) -> Result<()> {
    let format = args.picture.as_deref().map(|path| picture_format("--picture", path)).transpose()?;
    let Layer { problem, inputs, grad_output, name } = args.layer.load()?;
    if let Some(group) = args.offset_group.filter(|&group| group >= problem.offset_groups) {
        let rule = format!("--offset-group = {group}: there are {}", problem.offset_groups);
        return Err(Failure::invalid(rule));
    }
    if let Some([i, j]) = args.tap.filter(|tap| tap[0] >= problem.kernel[0] || tap[1] >= problem.kernel[1]) {
        let rule = format!("--tap = {i},{j}: the kernel has {} x {}", problem.kernel[0], problem.kernel[1]);
        return Err(Failure::invalid(rule));
    }
    let mut traced = trace(&problem, &inputs, &grad_output, args.batch_index, &args.at)?;
    let wanted = |tap: &Tap| {
        args.offset_group.is_none_or(|group| group == tap.offset_group) && args.tap.is_none_or(|at| at == tap.tap)
    };
    for position in &mut traced.positions {
        position.taps.retain(wanted);
    }
    if let (Some(path), Some(format)) = (&args.picture, format) {
        let picture = TracePicture { trace: &traced, offset_group: args.offset_group, tap: args.tap };
        files::write_all(&[(path.clone(), render(&picture, format)?)])?;
    }
    if args.json {
        say_json(&serde_json::json!({
            "name": name, "image": traced.image, "extents": traced.extents, "positions": traced.positions,
        }));
        return Ok(());
    }
    // An empty sum is -0; adding 0 takes the sign away.
    let short = |value: f64| format!("{:.5}", value + 0.0);
    for position in &traced.positions {
        let list = |values: &[f64]| values.iter().map(|&v| short(v)).collect::<Vec<_>>().join(" ");
        say!("output ({}, {}) before the activation: {}", position.at[0], position.at[1], list(&position.output));
        say!("its gradient: {}", list(&position.grad));
        let mut table = Table::new(&[
            "group tap",
            "grid",
            "point",
            "corners (row, column: share)",
            "mask",
            "sum of samples",
            "adds to output",
            "grad_offset",
            "grad_mask",
            "|grad_weight|",
            "|grad_input|",
        ]);
        for tap in &position.taps {
            let corners = tap.corners.iter().filter(|corner| corner.inside && tap.samples);
            let corners: Vec<String> = corners.map(|c| format!("{},{}: {:.3}", c.at[0], c.at[1], c.weight)).collect();
            let total = |values: &[f64]| short(values.iter().sum());
            let spread: f64 = tap.corners.iter().flat_map(|c| &c.grad_input).map(|v| v.abs()).sum();
            let weights: f64 = tap.grad_weight.iter().map(|(.., share)| share.abs()).sum();
            table.row(vec![
                format!("{} ({}, {})", tap.offset_group, tap.tap[0], tap.tap[1]),
                format!("{}, {}", tap.grid[0], tap.grid[1]),
                format!("{:.3}, {:.3}", tap.point[0], tap.point[1]),
                if corners.is_empty() { "none".into() } else { corners.join("  ") },
                format!("{:.3}", tap.mask),
                total(&tap.values),
                total(&tap.output),
                tap.grad_offset.map(short).join(", "),
                short(tap.grad_mask),
                short(weights),
                short(spread),
            ]);
        }
        table.say();
    }
    Ok(())
}
