//! What families of kernels are expected to reach, as data: one table for each class of kernels.

use wgconv::bench::Item;
use wgconv::{Accuracy, Algorithm, Conv, ConvTranspose, DeformConv2d, Gradient, KernelClass, Options, Problem};

/// What a row of the table is made of: places in the list of what is timed.
#[derive(Debug, Clone, Copy)]
pub enum Measure {
    /// Time of the second over that of the first: how many times faster the first is.
    Faster(usize, usize),
    /// Time of the first over that of the second.
    Slower(usize, usize),
    /// Bytes that must move over time and copy bandwidth.
    Bandwidth(usize),
    /// Operations of the direct algorithm over time and the peak of f32 multiply-adds.
    Peak(usize),
    /// Bytes of workspace.
    Workspace(usize),
}

/// When a value is good.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    pub fn is_met_by(self, value: f64) -> bool {
        match self {
            Goal::AtLeast(least) => value >= least,
            Goal::AtMost(most) => value <= most,
        }
    }
}

pub struct Row {
    pub family: &'static str,
    /// In words, after the number.
    pub target: &'static str,
    pub goal: Goal,
    pub layer: String,
    pub measure: Measure,
}

#[derive(Default)]
pub struct Targets {
    pub items: Vec<Item>,
    pub rows: Vec<Row>,
    /// Whether everything is shrunk, for rehearsals.
    tiny: bool,
}

impl Targets {
    /// Those of a class.
    pub fn of(class: KernelClass, tiny: bool) -> Targets {
        let mut targets = Targets { tiny, ..Targets::default() };
        match class {
            KernelClass::Cpu => targets.cpu(),
            KernelClass::Gpu => targets.gpu(),
        }
        targets
    }

    /// The place of a problem under options; one that is there already is not timed twice.
    fn time(&mut self, problem: &Problem, options: Options) -> usize {
        let item = Item::new(problem.clone(), options);
        let same = self.items.iter().position(|other| *other == item);
        same.unwrap_or_else(|| {
            self.items.push(item);
            self.items.len() - 1
        })
    }

    fn row(&mut self, family: &'static str, goal: Goal, target: &'static str, layer: &str, measure: Measure) {
        self.rows.push(Row { family, target, goal, layer: layer.into(), measure });
    }

    fn images(&self, count: usize) -> usize {
        if self.tiny { 1 } else { count }
    }

    fn channels(&self, count: usize) -> usize {
        if self.tiny { count.min(16) } else { count }
    }

    fn extent(&self, extent: usize) -> usize {
        if self.tiny { extent.min(14) } else { extent }
    }

    fn conv(&self, shape: Shape) -> Conv {
        let Shape { batch, c_in, extent, c_out, kernel } = shape;
        let [c_in, c_out] = [c_in, c_out].map(|count| self.channels(count));
        Conv::new(self.images(batch), c_in, [self.extent(extent); 2], c_out, [kernel; 2]).padding(kernel / 2)
    }

    /// What one image gives a software rasteriser to do.
    fn cpu(&mut self) {
        for (layer, c_in, extent, c_out, kernel) in [
            ("64 x 56, 3x3", 64, 56, 64, 3),
            ("128 x 28, 3x3", 128, 28, 128, 3),
            ("256 x 14, 3x3", 256, 14, 256, 3),
            ("64 x 56 to 256, 1x1", 64, 56, 256, 1),
            ("1024 x 14 to 256, 1x1", 1024, 14, 256, 1),
            ("192 x 28 to 96, 5x5", 192, 28, 96, 5),
        ] {
            let problem = self.conv(Shape { batch: 1, c_in, extent, c_out, kernel }).into();
            let ours = self.time(&problem, strict());
            let tiles = self.time(&problem, by(Algorithm::ImplicitGemm));
            let measure = Measure::Faster(ours, tiles);
            self.row("conv f32, plain sums", Goal::AtLeast(5.0), "x the tiles in workgroup memory", layer, measure);
        }
        for (layer, channels, extent) in
            [("128 x 28", 128, 28), ("256 x 14", 256, 14), ("256 x 28", 256, 28), ("512 x 14", 512, 14)]
        {
            let problem = self.conv(Shape::square(1, channels, extent)).into();
            let sums = self.time(&problem, strict());
            self.winograd(&problem, layer, sums, Goal::AtLeast(1.3), "x plain sums");
        }
        for (layer, channels, extent, kernel, stride) in [
            ("32 x 112, 3x3", 32, 112, 3, 1),
            ("96 x 112, 3x3, stride 2", 96, 112, 3, 2),
            ("480 x 14, 5x5", 480, 14, 5, 1),
        ] {
            self.depthwise(layer, Shape { kernel, ..Shape::square(1, channels, extent) }, stride, Goal::AtLeast(0.7));
        }
        self.transposed("128 x 16 to 64, 4x4", Up { batch: 1, c_in: 128, extent: 16, c_out: 64, kernel: 4, more: 0 });
        self.transposed("64 x 28 to 64, 3x3", Up { batch: 1, c_in: 64, extent: 28, c_out: 64, kernel: 3, more: 1 });
        self.dilated("128 x 33, 3x3", Shape::square(1, 128, 33));
        for (layer, channels, extent) in [("128 x 28", 128, 28), ("256 x 14", 256, 14), ("64 x 64", 64, 64)] {
            self.deformable(layer, Shape::square(1, channels, extent));
        }
    }

    /// Batches that fill a large GPU: ResNet-50 at 32 images and layers like it.
    fn gpu(&mut self) {
        for (layer, c_in, extent, c_out, kernel) in [
            ("res2 3x3", 64, 56, 64, 3),
            ("res3 3x3", 128, 28, 128, 3),
            ("res4 3x3", 256, 14, 256, 3),
            ("res5 3x3", 512, 7, 512, 3),
            ("res2 1x1, 64 to 256", 64, 56, 256, 1),
            ("res4 1x1, 1024 to 256", 1024, 14, 256, 1),
            ("res5 1x1, 512 to 2048", 512, 7, 2048, 1),
        ] {
            let problem = self.conv(Shape { batch: 32, c_in, extent, c_out, kernel }).into();
            let place = self.time(&problem, strict());
            let family = "conv f32, plain sums";
            self.row(family, Goal::AtLeast(0.75), "of the multiply-add peak", layer, Measure::Peak(place));
        }
        for (layer, channels, extent) in [("res3", 128, 28), ("res4", 256, 14), ("res5", 512, 7)] {
            let problem = self.conv(Shape::square(32, channels, extent)).into();
            let sums = self.time(&problem, by(Algorithm::ImplicitGemm).accuracy(Accuracy::Strict).pack_weights());
            self.winograd(&problem, layer, sums, Goal::AtLeast(1.5), "x the implicit GEMM");
            for (family, accuracy, algorithm) in [
                ("cooperative, split factors", Accuracy::Standard, Algorithm::CooperativeGemm),
                ("cooperative, f16 factors", Accuracy::Half, Algorithm::CooperativeGemmF16),
                ("cooperative, packed f16", Accuracy::Half, Algorithm::CooperativePackedF16),
            ] {
                let matrices = self.time(&problem, packed(accuracy).algorithm(algorithm));
                let measure = Measure::Faster(matrices, sums);
                self.row(family, Goal::AtLeast(1.0), "x the implicit GEMM", layer, measure);
            }
        }
        for (layer, channels, extent, kernel, stride) in [
            ("32 x 112, 3x3", 32, 112, 3, 1),
            ("96 x 112, 3x3, stride 2", 96, 112, 3, 2),
            ("144 x 56, 3x3", 144, 56, 3, 1),
            ("480 x 14, 5x5", 480, 14, 5, 1),
        ] {
            self.depthwise(layer, Shape { kernel, ..Shape::square(32, channels, extent) }, stride, Goal::AtLeast(0.8));
        }
        self.transposed("512 x 4 to 256, 4x4", Up { batch: 128, c_in: 512, extent: 4, c_out: 256, kernel: 4, more: 0 });
        self.transposed("128 x 16 to 64, 4x4", Up { batch: 128, c_in: 128, extent: 16, c_out: 64, kernel: 4, more: 0 });
        self.dilated("128 x 33, 3x3", Shape::square(32, 128, 33));
        for (layer, channels, extent) in [("C3, 128 x 28", 128, 28), ("C5, 512 x 7", 512, 7), ("64 x 64", 64, 64)] {
            self.deformable(layer, Shape::square(32, channels, extent));
        }
    }

    fn winograd(&mut self, problem: &Problem, layer: &str, sums: usize, goal: Goal, target: &'static str) {
        for (family, algorithm) in
            [("Winograd F(2x2)", Algorithm::WinogradF2), ("Winograd F(4x4)", Algorithm::WinogradF4)]
        {
            let tiles = self.time(problem, packed(Accuracy::Relaxed).algorithm(algorithm));
            self.row(family, goal, target, layer, Measure::Faster(tiles, sums));
        }
    }

    fn depthwise(&mut self, layer: &str, shape: Shape, stride: usize, goal: Goal) {
        let problem = self.conv(shape).groups(self.channels(shape.c_in)).stride(stride).into();
        let place = self.time(&problem, Options::default());
        self.row("depthwise", goal, "of copy bandwidth", layer, Measure::Bandwidth(place));
    }

    /// The transposed layer; the strided convolution that it is the adjoint of, with as many multiply-adds; and the plain
    /// convolution of the image with zeros between its elements.
    fn transposed(&mut self, layer: &str, up: Up) {
        let Up { kernel, more, .. } = up;
        let batch = self.images(up.batch);
        let [c_in, c_out] = [up.c_in, up.c_out].map(|count| self.channels(count));
        let (extent, padding) = (self.extent(up.extent), 1);
        let up = ConvTranspose::new(batch, c_in, [extent; 2], c_out, [kernel; 2]).stride(2).padding(padding);
        let up: Problem = up.output_padding(more).into();
        let output = (extent - 1) * 2 + kernel - 2 * padding + more;
        let down: Problem = Conv::new(batch, c_out, [output; 2], c_in, [kernel; 2]).stride(2).padding(padding).into();
        let side = kernel - 1 - padding;
        let stuffed =
            Conv::new(batch, c_in, [2 * extent - 1; 2], c_out, [kernel; 2]).padding([[side, side + more]; 2]).into();
        let [up, down, stuffed] = [&up, &down, &stuffed].map(|problem| self.time(problem, strict()));
        let family = "transposed, stride 2";
        self.row(family, Goal::AtLeast(0.9), "x the convolution of equal work", layer, Measure::Faster(up, down));
        self.row(family, Goal::AtLeast(3.0), "x zeros inserted", layer, Measure::Faster(up, stuffed));
    }

    fn dilated(&mut self, layer: &str, shape: Shape) {
        let plain = self.time(&self.conv(shape).into(), strict());
        for dilation in [2, 4, 12] {
            let problem = self.conv(shape).dilation(dilation).padding(dilation).into();
            let dilated = self.time(&problem, strict());
            let layer = format!("{layer}, dilation {dilation}");
            self.row("dilated", Goal::AtMost(1.1), "x undilated", &layer, Measure::Slower(dilated, plain));
        }
    }

    fn deformable(&mut self, layer: &str, shape: Shape) {
        let Shape { batch, c_in, extent, c_out, kernel } = shape;
        let [c_in, c_out] = [c_in, c_out].map(|count| self.channels(count));
        let problem = DeformConv2d::new(self.images(batch), c_in, [self.extent(extent); 2], c_out, [kernel; 2]);
        let problem: Problem = problem.padding(1).mask(true).into();
        let columns = self.time(&problem, by(Algorithm::Im2colGemm));
        let fused = self.time(&problem, by(Algorithm::ImplicitGemm));
        let chosen = self.time(&problem, Options::default());
        let backward = self.time(&Gradient::all(problem).into(), Options::default());
        let faster = Measure::Faster(fused, columns);
        self.row("deformable forward", Goal::AtLeast(2.0), "x columns and a product", layer, faster);
        self.row("deformable forward", Goal::AtMost(0.0), "bytes of workspace", layer, Measure::Workspace(fused));
        self.row("deformable backward", Goal::AtMost(3.0), "x forward", layer, Measure::Slower(backward, chosen));
    }
}

/// Of a convolution whose padding keeps the extent.
#[derive(Debug, Clone, Copy)]
struct Shape {
    batch: usize,
    c_in: usize,
    extent: usize,
    c_out: usize,
    kernel: usize,
}

impl Shape {
    /// 3x3 with as many channels out as in.
    fn square(batch: usize, channels: usize, extent: usize) -> Shape {
        Shape { batch, c_in: channels, extent, c_out: channels, kernel: 3 }
    }
}

/// Of a transposed convolution by two.
#[derive(Debug, Clone, Copy)]
struct Up {
    batch: usize,
    c_in: usize,
    extent: usize,
    c_out: usize,
    kernel: usize,
    /// Output padding.
    more: usize,
}

/// As a network would: weights do not change from image to image.
fn packed(accuracy: Accuracy) -> Options {
    Options::default().accuracy(accuracy).pack_weights()
}

fn strict() -> Options {
    packed(Accuracy::Strict)
}

fn by(algorithm: Algorithm) -> Options {
    Options::default().algorithm(algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_of_every_table_has_a_geometry() {
        for class in [KernelClass::Cpu, KernelClass::Gpu] {
            for tiny in [false, true] {
                let targets = Targets::of(class, tiny);
                for item in &targets.items {
                    let problem = item.problem();
                    let geometry =
                        wgconv::Geometry::new(problem).unwrap_or_else(|error| panic!("{problem:?}: {error}"));
                    assert!(!tiny || geometry.macs() < 4_000_000, "{problem:?}");
                }
                assert!(targets.rows.len() > 30);
            }
        }
    }

    #[test]
    fn goals_are_lower_or_upper_bounds() {
        assert!(Goal::AtLeast(1.5).is_met_by(1.5) && !Goal::AtLeast(1.5).is_met_by(1.4));
        assert!(Goal::AtMost(1.1).is_met_by(1.0) && !Goal::AtMost(1.1).is_met_by(1.2));
        assert!(!Goal::AtMost(1.1).is_met_by(f64::NAN) && !Goal::AtLeast(1.1).is_met_by(f64::NAN));
    }
}
