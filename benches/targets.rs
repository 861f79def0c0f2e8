//! What families of kernels are measured against, as ratios of one run on this machine: the table of docs/performance.md.
//! Every result is verified before it is timed, all problems take turns, and a ratio is one of medians.
//!
//! cargo bench --bench targets

mod common;

use std::sync::Arc;

use wgconv::bench::{Clock, Expected, Item, PeakKind, Session, Settings, Status, measure_peaks};
use wgconv::{Accuracy, Algorithm, Conv, ConvTranspose, DeformConv2d, Geometry, Gradient, Options, Problem, Storage};

const SETTINGS: Settings = Settings { rounds: 3, samples: 5, sample_ms: 20.0, rotate_bytes: 256 << 20 };

/// Something that is timed, and how.
struct Timed {
    problem: Problem,
    item: Item,
}

/// What a row of the table is made of: places in the list of what is timed.
enum Measure {
    /// Time of the second over that of the first: how many times faster the first is.
    Faster(usize, usize),
    /// Time of the first over that of the second.
    Slower(usize, usize),
    /// Bytes that must move over time and copy bandwidth.
    Bandwidth(usize),
    /// Bytes of workspace.
    Workspace(usize),
}

struct Row {
    family: &'static str,
    target: &'static str,
    layer: String,
    measure: Measure,
}

#[derive(Default)]
struct Table {
    timed: Vec<Timed>,
    rows: Vec<Row>,
}

impl Table {
    /// The place of a problem under options; one that is there already is not timed twice.
    fn time(&mut self, problem: &Problem, options: Options) -> usize {
        let item = Item::new(problem.clone(), options);
        let same = self.timed.iter().position(|timed| timed.item == item);
        same.unwrap_or_else(|| {
            self.timed.push(Timed { problem: problem.clone(), item });
            self.timed.len() - 1
        })
    }

    fn row(&mut self, family: &'static str, target: &'static str, layer: &str, measure: Measure) {
        self.rows.push(Row { family, target, layer: layer.into(), measure });
    }
}

fn table() -> Table {
    let mut table = Table::default();
    // As a network would: weights do not change from image to image.
    let packed = |accuracy: Accuracy| Options::default().accuracy(accuracy).pack_weights();
    let strict = || packed(Accuracy::Strict);

    // [channels in, extent, channels out, kernel, padding]
    let plain = [
        ("64 x 56, 3x3", [64, 56, 64, 3, 1]),
        ("128 x 28, 3x3", [128, 28, 128, 3, 1]),
        ("256 x 14, 3x3", [256, 14, 256, 3, 1]),
        ("64 x 56 to 256, 1x1", [64, 56, 256, 1, 0]),
        ("1024 x 14 to 256, 1x1", [1024, 14, 256, 1, 0]),
        ("192 x 28 to 96, 5x5", [192, 28, 96, 5, 2]),
    ];
    for (layer, [c_in, extent, c_out, kernel, padding]) in plain {
        let problem = Conv::new(1, c_in, [extent; 2], c_out, [kernel; 2]).padding(padding).into();
        let ours = table.time(&problem, strict());
        let tiles = table.time(&problem, Options::default().algorithm(Algorithm::ImplicitGemm));
        table.row("conv f32, plain sums", "5 x the tiles in workgroup memory", layer, Measure::Faster(ours, tiles));
    }

    let winograd = [("128 x 28", 128, 28), ("256 x 14", 256, 14), ("256 x 28", 256, 28), ("512 x 14", 512, 14)];
    for (layer, channels, extent) in winograd {
        let problem: Problem = Conv::new(1, channels, [extent; 2], channels, [3, 3]).padding(1).into();
        let sums = table.time(&problem, strict());
        for (family, algorithm) in
            [("Winograd F(2x2)", Algorithm::WinogradF2), ("Winograd F(4x4)", Algorithm::WinogradF4)]
        {
            let tiles = table.time(&problem, packed(Accuracy::Relaxed).algorithm(algorithm));
            table.row(family, "1.3 x plain sums", layer, Measure::Faster(tiles, sums));
        }
    }

    let depthwise = [
        ("32 x 112, 3x3", 32, 112, 3, 1),
        ("96 x 112, 3x3, stride 2", 96, 112, 3, 2),
        ("480 x 14, 5x5", 480, 14, 5, 1),
    ];
    for (layer, channels, extent, kernel, stride) in depthwise {
        let problem = Conv::new(1, channels, [extent; 2], channels, [kernel; 2]).groups(channels);
        let problem = problem.stride(stride).padding(kernel / 2).into();
        let place = table.time(&problem, Options::default());
        table.row("depthwise", "0.7 of copy bandwidth", layer, Measure::Bandwidth(place));
    }

    // The transposed layer; the strided convolution that it is the adjoint of, with as many multiply-adds; and the plain
    // convolution of the image with zeros between its elements.
    let transposed = [("128 x 16 to 64, 4x4", 128, 16, 64, 4, 1, 0), ("64 x 28 to 64, 3x3", 64, 28, 64, 3, 1, 1)];
    for (layer, c_in, extent, c_out, kernel, padding, more) in transposed {
        let up = ConvTranspose::new(1, c_in, [extent; 2], c_out, [kernel; 2]).stride(2).padding(padding);
        let up: Problem = up.output_padding(more).into();
        let output = (extent - 1) * 2 + kernel - 2 * padding + more;
        let down: Problem = Conv::new(1, c_out, [output; 2], c_in, [kernel; 2]).stride(2).padding(padding).into();
        let side = kernel - 1 - padding;
        let stuffed =
            Conv::new(1, c_in, [2 * extent - 1; 2], c_out, [kernel; 2]).padding([[side, side + more]; 2]).into();
        let [up, down, stuffed] = [&up, &down, &stuffed].map(|problem| table.time(problem, strict()));
        table.row("transposed, stride 2", "0.9 x the convolution of equal work", layer, Measure::Faster(up, down));
        table.row("transposed, stride 2", "3 x zeros inserted", layer, Measure::Faster(up, stuffed));
    }

    for dilation in [2, 4, 12] {
        let of = |dilation: usize| Conv::new(1, 128, [33, 33], 128, [3, 3]).dilation(dilation).padding(dilation).into();
        let [dilated, plain] = [of(dilation), of(1)].map(|problem| table.time(&problem, strict()));
        let layer = format!("128 x 33, 3x3, dilation {dilation}");
        table.row("dilated", "at most 1.1 x undilated", &layer, Measure::Slower(dilated, plain));
    }

    let deformable = [("128 x 28", 128, 28), ("256 x 14", 256, 14), ("64 x 64", 64, 64)];
    for (layer, channels, extent) in deformable {
        let problem: Problem =
            DeformConv2d::new(1, channels, [extent; 2], channels, [3, 3]).padding(1).mask(true).into();
        let columns = table.time(&problem, Options::default().algorithm(Algorithm::Im2colGemm));
        let fused = table.time(&problem, Options::default().algorithm(Algorithm::ImplicitGemm));
        let chosen = table.time(&problem, Options::default());
        let backward = table.time(&Gradient::all(problem).into(), Options::default());
        table.row("deformable forward", "2 x columns and a product", layer, Measure::Faster(fused, columns));
        table.row("deformable forward", "0", layer, Measure::Workspace(fused));
        table.row("deformable backward", "at most 3 x forward", layer, Measure::Slower(backward, chosen));
    }
    table
}

fn main() {
    let gpu = common::open();
    println!("{}", gpu.description());
    let peaks = measure_peaks(&gpu, Clock::Auto, &mut |_| {}).expect("the limits can be measured");
    let copy = peaks.iter().find(|peak| peak.kind == PeakKind::Copy).map_or(f64::NAN, |peak| peak.per_second);
    println!("copy bandwidth {:.1} GB/s", copy * 1e-9);
    let mut table = table();
    let session = Session::new(&gpu, &SETTINGS, Clock::Auto);
    for round in 0..SETTINGS.rounds {
        for Timed { problem, item } in &mut table.timed {
            let inputs = common::data(problem);
            let mut expected = || Expected::of(problem, &inputs, Storage::F32).map(Arc::new);
            session.visit(item, &inputs, &mut expected);
            assert!(
                item.status == Status::Right || item.status == Status::Unsupported,
                "{problem:?} is {:?} in round {round}: {:?}",
                item.status,
                item.message
            );
        }
    }
    let median = |place: usize| table.timed[place].item.summary_ms().map_or(f64::NAN, |summary| summary.median);
    let algorithm = |place: usize| table.timed[place].item.algorithm.map_or("unsupported", Algorithm::name);
    let both =
        |a: usize, b: usize| format!("{:.2} ms by {}, {:.2} by {}", median(a), algorithm(a), median(b), algorithm(b));
    println!("\n| family | layer | target | measured | |\n| --- | --- | --- | --- | --- |");
    for Row { family, target, layer, measure } in &table.rows {
        let (value, detail) = match measure {
            Measure::Faster(ours, theirs) => (format!("{:.2}", median(*theirs) / median(*ours)), both(*ours, *theirs)),
            Measure::Slower(ours, theirs) => (format!("{:.2}", median(*ours) / median(*theirs)), both(*ours, *theirs)),
            Measure::Bandwidth(place) => {
                let bytes =
                    Geometry::new(&table.timed[*place].problem).map_or(0, |geometry| geometry.min_bytes(Storage::F32));
                let ms = median(*place);
                (format!("{:.3}", bytes as f64 / (ms * 1e-3) / copy), format!("{ms:.2} ms by {}", algorithm(*place)))
            }
            Measure::Workspace(place) => {
                let Timed { problem, item } = &table.timed[*place];
                let options = Options { algorithm: item.algorithm, ..Options::default() };
                let plan = wgconv::gpu::Plan::new(gpu.context(), problem, &options);
                (
                    plan.map_or("unsupported".into(), |plan| plan.workspace_size().to_string()),
                    "bytes of workspace".into(),
                )
            }
        };
        println!("| {family} | {layer} | {target} | {value} | {detail} |");
    }
}
