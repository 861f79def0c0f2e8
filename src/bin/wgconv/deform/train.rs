//! `wgconv deform train`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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
watched pixels as the training goes on) and DIR/train.json (every number). The files of an earlier run there, which its
train.json lists, are replaced; any other file under one of these names is refused before the training begins. The same seed
on the same device writes the same bytes.")]
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

/// Name and version of the format of train.json.
const SCHEMA: &str = "wgconv-train/1";

const SHEET: &str = "sheet.png";
const CURVES: &str = "curves.svg";
const REPORT: &str = "train.json";
const FRAMES: &str = "frames";

fn frame_name(step: usize) -> String {
    format!("step-{step:06}.png")
}

/// The files of an earlier run in a folder. Refuses the folder where it cannot be written, or where there is something under
/// the name of such a file that no run wrote.
fn earlier_run(out: &Path) -> Result<BTreeSet<PathBuf>> {
    files::expect_folder("--out", out)?;
    files::expect_folder("--out", &out.join(FRAMES))?;
    let mut taken: BTreeSet<PathBuf> = [SHEET, CURVES, REPORT].map(|name| out.join(name)).into();
    taken.retain(|path| fs::symlink_metadata(path).is_ok());
    let frames = fs::read_dir(out.join(FRAMES)).into_iter().flatten().filter_map(std::result::Result::ok);
    let is_frame = |name: &str| name.starts_with("step-") && name.ends_with(".png");
    taken.extend(
        frames
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| is_frame(&name.to_string_lossy()))),
    );
    let listed = if out.join(REPORT).is_file() { listed(out)? } else { BTreeSet::new() };
    match taken.iter().find(|path| !listed.contains(*path)) {
        Some(path) => {
            let rule = format!("{} is there, and no {REPORT} of an earlier run lists it", path.display());
            Err(Failure::invalid(format!("--out = {}: {rule}", out.display())))
        }
        None => taken.iter().try_for_each(|path| files::expect_writable(path)).map(|()| taken),
    }
}

/// What the train.json in a folder says that there is; nothing where it is somebody else's.
fn listed(out: &Path) -> Result<BTreeSet<PathBuf>> {
    let report: serde_json::Value = serde_json::from_slice(&files::read(&out.join(REPORT))?).unwrap_or_default();
    if report["schema"] != SCHEMA {
        return Ok(BTreeSet::new());
    }
    let steps = report["deformable"]["frames"].as_array().into_iter().flatten();
    let steps = steps.filter_map(|frame| usize::try_from(frame["step"].as_u64()?).ok());
    let frames = steps.map(|step| out.join(FRAMES).join(frame_name(step)));
    Ok(frames.chain([SHEET, CURVES, REPORT].map(|name| out.join(name))).collect())
}

pub fn run(args: &TrainArgs) -> Result<()> {
    let earlier = earlier_run(&args.out)?;
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
        (args.out.join(SHEET), render(&Sheet { outcome: &outcome }, Format::Png)?),
        (args.out.join(CURVES), render(&Curves { outcome: &outcome }, Format::Svg)?),
    ];
    let frames = args.out.join(FRAMES);
    for (index, frame) in outcome.deformable.frames.iter().enumerate() {
        let bytes = render(&FramePicture { outcome: &outcome, index }, Format::Png)?;
        files.push((frames.join(frame_name(frame.step)), bytes));
    }
    let report = serde_json::json!({
        "schema": SCHEMA, "device": adapter.gpu.description(), "config": outcome.config, "probes": outcome.probes,
        "plain": outcome.plain, "deformable": outcome.deformable,
    });
    files.push((args.out.join(REPORT), format!("{report:#}\n").into_bytes()));
    files::make_folder(&frames)?;
    files::write_all(&files)?;
    for path in earlier.iter().filter(|path| !files.iter().any(|(written, _)| written == *path)) {
        fs::remove_file(path).map_err(|error| Failure::of_file(format!("cannot remove {}", path.display()), &error))?;
    }

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
    say!("{} and {} more files in {}", args.out.join(SHEET).display(), files.len() - 1, args.out.display());
    Ok(())
}
