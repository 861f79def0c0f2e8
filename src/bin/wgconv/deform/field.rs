//! `wgconv deform field`.

use std::path::PathBuf;

use clap::Args;
use wgconv::Geometry;
use wgconv::lab::field::{FieldPicture, StackLayer, layer_fields, stack_fields};
use wgconv::lab::picture::render;

use super::layer::{Layer, LayerArgs, pair, picture_format};
use crate::console::{Table, say, say_json};
use crate::failure::Result;
use crate::files;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv deform field CASE_DIR --at 3,4 --picture field.png           one layer, plain against deformable
  wgconv deform field --image cat.png --preset rotate --strength 30 --picture field.svg
  wgconv deform field --stack k3d1,k3d2,k3d4 --picture stack.png      a stack of dilated layers
  wgconv deform field --stack k3,k3:zoom=3,k3 --extent 48 --json

A layer's field is the sum over channels of |d output / d input|; a stack's is that of its centre, averaged over 24 draws
of random weights. `pixels` counts those above a twentieth of the largest, `radius` is the root mean squared distance from
the centroid.")]
pub struct FieldArgs {
    #[command(flatten)]
    layer: LayerArgs,
    /// Output position; the middle by default
    #[arg(long, value_name = "ROW,COLUMN", value_parser = pair, conflicts_with = "stack")]
    at: Option<[usize; 2]>,
    /// Image of the batch
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "stack")]
    batch_index: usize,
    /// A stack of layers instead, the one nearest to the input first
    #[arg(long, value_name = "LAYERS", conflicts_with_all = ["case", "image"])]
    stack: Option<String>,
    /// Height and width of the stack's image
    #[arg(long, value_name = "N", default_value_t = 41, requires = "stack", conflicts_with_all = ["case", "image"])]
    extent: usize,
    /// Draw the maps, as .svg or .png
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Print maps and numbers in JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &FieldArgs) -> Result<()> {
    let format = args.picture.as_deref().map(|path| picture_format("--picture", path)).transpose()?;
    let (fields, title, centre) = match &args.stack {
        Some(stack) => {
            let layers =
                stack.split(',').map(|layer| StackLayer::parse(layer.trim())).collect::<wgconv::Result<Vec<_>>>()?;
            let centre = [(args.extent / 2) as f64; 2];
            (stack_fields(&layers, args.extent)?, format!("effective receptive field of {stack}"), centre)
        }
        None => {
            let Layer { problem, inputs, name, .. } = args.layer.load()?;
            let geometry = Geometry::new(&problem.clone().into())?;
            let shape = geometry.output_shape();
            let at = args.at.unwrap_or([shape[2] / 2, shape[3] / 2]);
            let centre = [0, 1].map(|axis| {
                let reach = (problem.kernel[axis] - 1) * problem.dilation[axis];
                (at[axis] * problem.stride[axis]) as f64 - problem.padding[axis][0] as f64 + reach as f64 / 2.0
            });
            let fields = layer_fields(&problem, &inputs, args.batch_index, at)?;
            (fields, format!("what moves output ({}, {}) of {name}", at[0], at[1]), centre)
        }
    };
    if let (Some(path), Some(format)) = (&args.picture, format) {
        let picture = FieldPicture { fields: &fields, title: &title, centre };
        files::write_all(&[(path.clone(), render(&picture, format)?)])?;
    }
    if args.json {
        say_json(&serde_json::json!({"title": title, "fields": fields}));
        return Ok(());
    }
    let mut table = Table::new(&["field", "pixels", "radius", "centroid", "theoretical"]);
    for field in &fields {
        table.row(vec![
            field.name.clone(),
            field.area.to_string(),
            format!("{:.3}", field.radius),
            format!("{:.2}, {:.2}", field.centroid[0], field.centroid[1]),
            format!("{} x {}", field.theoretical[0], field.theoretical[1]),
        ]);
    }
    table.say();
    say!("{title}");
    Ok(())
}
