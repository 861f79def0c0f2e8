//! `wgconv deform train`.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use wgconv::lab::picture::{Format, render};
use wgconv::lab::train::{Config, Curves, FramePicture, Kind, Sheet, train};

use crate::backend::{self, Backend, Wanted};
use crate::console::{Table, progress, say, say_json};
use crate::failure::{Failure, Result};
use crate::files;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv deform train --out run                     some minutes on a software adapter, seconds on a GPU
  wgconv deform train --out run --seed 2 --steps 300

Writes DIR/sheet.png (both networks side by side), DIR/curves.svg, DIR/frames/step-NNNNNN.png (the sampling points of
watched pixels as the training goes on) and DIR/train.json (every number). The same seed on the same device writes the
same bytes.")]
pub struct TrainArgs {
    /// Folder for the results; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// auto, a number or a part of a name (see `wgconv devices`)
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Wanted,
    /// Of images and initial weights
    #[arg(long, value_name = "N", default_value_t = Config::default().seed)]
    seed: u64,
    /// Steps of Adam
    #[arg(long, value_name = "N", default_value_t = Config::default().steps)]
    steps: usize,
    /// Images of a step
    #[arg(long, value_name = "N", default_value_t = Config::default().batch)]
    batch: usize,
    /// Height and width of the images
    #[arg(long, value_name = "N", default_value_t = Config::default().extent)]
    extent: usize,
    /// Adam's rate at the start
    #[arg(long, value_name = "RATE", default_value_t = Config::default().rate)]
    rate: f32,
    /// Steps between judgements and frames
    #[arg(long, value_name = "N", default_value_t = Config::default().every)]
    every: usize,
    /// Print the numbers in JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &TrainArgs) -> Result<()> {
    let device = match backend::open_all(&args.device)?.as_slice() {
        [_, _, ..] => return Err(Failure::invalid("--device = all: this command takes one device")),
        _ => backend::open_all(&args.device)?.swap_remove(0),
    };
    let Backend::Adapter(adapter) = device else {
        return Err(Failure::invalid("--device = reference: the training runs on an adapter"));
    };
    let config = Config {
        seed: args.seed,
        steps: args.steps,
        batch: args.batch,
        extent: args.extent,
        rate: args.rate,
        every: args.every,
        ..Config::default()
    };
    let bar = progress(2 * config.steps);
    let outcome = train(&adapter.gpu, &config, |at| {
        bar.set_position(at.step as u64 + if at.kind == Kind::Plain { config.steps as u64 } else { 0 });
        let name = if at.kind == Kind::Plain { "plain" } else { "deformable" };
        bar.set_message(format!("{name}: {:.1} % right", 100.0 * at.score.accuracy));
        true
    })?;
    bar.finish_and_clear();

    let mut files = vec![
        (args.out.join("sheet.png"), render(&Sheet { outcome: &outcome }, Format::Png)?),
        (args.out.join("curves.svg"), render(&Curves { outcome: &outcome }, Format::Svg)?),
    ];
    let frames = args.out.join("frames");
    for (index, frame) in outcome.deformable.frames.iter().enumerate() {
        let bytes = render(&FramePicture { outcome: &outcome, index }, Format::Png)?;
        files.push((frames.join(format!("step-{:06}.png", frame.step)), bytes));
    }
    let report = serde_json::json!({
        "device": adapter.gpu.description(), "config": outcome.config, "probes": outcome.probes,
        "plain": outcome.plain, "deformable": outcome.deformable,
    });
    files.push((args.out.join("train.json"), format!("{report:#}\n").into_bytes()));
    fs::create_dir_all(&frames)
        .map_err(|error| Failure::invalid(format!("cannot make the folder {}: {error}", frames.display())))?;
    files::write_all(&files)?;

    if args.json {
        say_json(&report);
        return Ok(());
    }
    let mut table = Table::new(&["network", "pixels right", "loss", "multiply-adds per image", "parameters"]);
    for (name, history) in [("deformable", &outcome.deformable), ("plain", &outcome.plain)] {
        let last = history.last();
        table.row(vec![
            name.into(),
            format!("{:.1} %", 100.0 * last.accuracy),
            format!("{:.3}", last.loss),
            history.macs.to_string(),
            history.parameters.to_string(),
        ]);
    }
    table.say();
    say!("on {}", adapter.gpu.description());
    say!("{} and {} more files in {}", args.out.join("sheet.png").display(), files.len() - 1, args.out.display());
    Ok(())
}
