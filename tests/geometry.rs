//! Geometry judged by counting: output extents, every rule that refuses a problem, and random problems.

mod common;

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wgconv::{
    Activation, Col2im, Conv, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Error, Geometry, Im2col,
    LocallyConnected2d, PaddingMode, Pool, PoolMode, Problem, SpaceToDepth, SpatialSeparable2d, Storage, TensorName,
};

/// One axis of a window.
#[derive(Debug, Clone, Copy)]
struct Axis {
    n: usize,
    k: usize,
    s: usize,
    d: usize,
    begin: usize,
    end: usize,
}

impl Axis {
    /// Positions in the padded input that the taps of window `o` touch.
    fn touched(self, o: usize) -> impl Iterator<Item = usize> {
        (0..self.k).map(move |tap| o * self.s + tap * self.d)
    }

    fn is_whole(self, o: usize) -> bool {
        self.touched(o).all(|at| at < self.begin + self.n + self.end)
    }

    /// Windows that lie in the padded input.
    fn floor(self) -> usize {
        (0..100).filter(|&o| self.is_whole(o)).count()
    }

    /// Windows that end less than a stride behind the padded input, but start before the padding at the end.
    fn ceil(self) -> usize {
        let ends = |o: usize| self.touched(o).max().unwrap_or(0) + 1 < self.begin + self.n + self.end + self.s;
        (0..100).filter(|&o| ends(o) && o * self.s < self.begin + self.n).count()
    }

    /// Positions that the kernels of a transposed convolution cover, from the first to the last.
    fn full(self) -> usize {
        let covered = (0..self.n).flat_map(|i| self.touched(i));
        covered.max().unwrap_or(0) + 1
    }

    fn sees_an_element(self, o: usize) -> bool {
        self.touched(o).any(|at| at >= self.begin && at < self.begin + self.n)
    }
}

fn axes() -> Vec<Axis> {
    let mut all = vec![];
    for (n, k) in (1..=7).flat_map(|n| (1..=4).map(move |k| (n, k))) {
        for (s, d) in (1..=3).flat_map(|s| (1..=3).map(move |d| (s, d))) {
            for (begin, end) in (0..=3).flat_map(|begin| (0..=2).map(move |end| (begin, end))) {
                all.push(Axis { n, k, s, d, begin, end });
            }
        }
    }
    assert_eq!(all.len(), 7 * 4 * 3 * 3 * 4 * 3);
    all
}

/// Axes that differ from each other, for operations in several dimensions.
fn planes() -> Vec<[Axis; 2]> {
    let all = axes();
    (0..all.len()).step_by(3).map(|i| [all[i], all[(i * 37 + 11) % all.len()]]).collect()
}

fn spatial(problem: impl Into<Problem>) -> Option<Vec<usize>> {
    Geometry::new(&problem.into()).ok().map(|geometry| geometry.output_shape()[2..].to_vec())
}

/// Sets the window of a problem that has builder methods.
macro_rules! windowed {
    ($problem:expr, $axes:expr) => {
        $problem.stride($axes.map(|a| a.s)).padding($axes.map(|a| [a.begin, a.end])).dilation($axes.map(|a| a.d))
    };
}

fn counted<const R: usize>(axes: [Axis; R]) -> Option<Vec<usize>> {
    let counts = axes.map(Axis::floor).to_vec();
    (!counts.contains(&0)).then_some(counts)
}

#[test]
fn convolution_extents_count_windows() {
    for a in axes() {
        assert_eq!(spatial(windowed!(Conv::new(1, 1, [a.n], 1, [a.k]), [a])), counted([a]), "{a:?}");
    }
    for axes in planes() {
        let (n, k) = (axes.map(|a| a.n), axes.map(|a| a.k));
        let want = counted(axes);
        assert_eq!(spatial(windowed!(Conv::new(2, 2, n, 3, k), axes)), want, "{axes:?}");
        assert_eq!(spatial(windowed!(DeformConv2d::new(2, 2, n, 3, k), axes)), want);
        assert_eq!(spatial(windowed!(LocallyConnected2d::new(2, 2, n, 3, k), axes)), want);
        assert_eq!(spatial(windowed!(SpatialSeparable2d::new(2, 2, n, k), axes)), want);
        assert_eq!(spatial(windowed!(DepthwiseSeparable2d::new(2, 2, n, 3, k), axes)), want);

        let axes = [axes[1], axes[0], axes[1]];
        let (n, k) = (axes.map(|a| a.n), axes.map(|a| a.k));
        assert_eq!(spatial(windowed!(Conv::new(1, 1, n, 1, k), axes)), counted(axes), "{axes:?}");
    }
}

#[test]
fn column_extents_count_windows_and_taps() {
    for axes in planes() {
        let (n, k) = (axes.map(|a| a.n), axes.map(|a| a.k));
        let taps = k[0] * k[1];
        let want = counted(axes).map(|out| vec![2, 3 * taps, out[0] * out[1]]);
        let unfold = Geometry::new(&windowed!(Im2col::new(2, 3, n, k), axes).into()).ok();
        assert_eq!(unfold.map(|g| g.output_shape().to_vec()), want, "{axes:?}");
        let fold = Geometry::new(&windowed!(Col2im::new(2, 3, n, k), axes).into()).ok();
        assert_eq!(fold.as_ref().map(|g| g.tensors()[0].shape.clone()), want);
        if let Some(fold) = fold {
            assert_eq!(fold.output_shape(), [2, 3, n[0], n[1]]);
        }
    }
}

#[test]
fn transposed_extents_count_positions() {
    let mut accepted = 0;
    for a in axes() {
        for extra in 0..4 {
            let up = windowed!(ConvTranspose::new(1, 1, [a.n], 1, [a.k]), [a]).output_padding(extra);
            let full = a.full() + extra;
            let fits = extra < a.s.max(a.d) && a.begin + a.end < full;
            let want = fits.then(|| vec![full - a.begin - a.end]);
            assert_eq!(spatial(up), want, "{a:?} {extra}");
            accepted += usize::from(fits);
        }
    }
    assert!(accepted > 3000);
    for axes in planes() {
        let axes = axes.map(|a| Axis { begin: a.begin.min(a.full() - 1), end: 0, ..a });
        let up = windowed!(ConvTranspose::new(1, 2, axes.map(|a| a.n), 4, axes.map(|a| a.k)), axes);
        assert_eq!(spatial(up), Some(axes.map(|a| a.full() - a.begin).to_vec()), "{axes:?}");
    }
}

#[test]
fn pooling_extents_count_windows() {
    let modes = [
        (PoolMode::Max { pad_value: None, indices: true }, false),
        (PoolMode::Max { pad_value: Some(0.0), indices: false }, false),
        (PoolMode::Average { count_include_pad: true, divisor_override: None }, false),
        (PoolMode::Average { count_include_pad: false, divisor_override: None }, true),
        (PoolMode::Average { count_include_pad: false, divisor_override: Some(3) }, false),
        (PoolMode::Lp { p: 2.0 }, false),
    ];
    let (mut accepted, mut without_element) = (0, 0);
    for a in axes() {
        for (mode, needs_an_element) in modes {
            for ceil_mode in [false, true] {
                let pool = windowed!(Pool::max(1, 1, [a.n], [a.k]), [a]).mode(mode).ceil_mode(ceil_mode);
                let out = if ceil_mode { a.ceil() } else { a.floor() };
                let reach = a.d * (a.k - 1) + 1;
                let narrow_padding = a.begin < reach && a.end < reach;
                let every_window_sees = (0..out).all(|o| a.sees_an_element(o));
                let fits = out > 0 && narrow_padding && (every_window_sees || !needs_an_element);
                assert_eq!(spatial(pool), fits.then(|| vec![out]), "{a:?} {mode:?} ceil_mode = {ceil_mode}");
                accepted += usize::from(fits);
                without_element += usize::from(out > 0 && narrow_padding && !every_window_sees);
            }
        }
    }
    assert!(accepted > 10_000 && without_element > 100, "{accepted} {without_element}");
}

/// What PyTorch 1.13 makes of `max_pool1d(input, k, s, p, d, ceil_mode=True)`; 0 where it refuses.
#[test]
fn extents_that_round_up_are_those_of_pytorch() {
    #[rustfmt::skip]
    let known = [
        // n, k, s, p, d, windows
        (2, 3, 1, 0, 1, 0), (2, 3, 2, 0, 1, 1), (2, 4, 2, 0, 1, 0), (2, 4, 3, 0, 1, 1), (2, 9, 7, 0, 1, 0),
        (2, 9, 8, 0, 1, 1), (1, 2, 2, 0, 3, 0), (1, 2, 4, 0, 3, 1), (1, 2, 3, 0, 3, 0), (3, 4, 2, 1, 2, 0),
        (3, 4, 3, 1, 2, 1), (1, 2, 1, 1, 2, 1), (1, 2, 1, 1, 1, 2), (1, 2, 2, 1, 1, 1), (3, 2, 2, 1, 1, 2),
        (5, 3, 2, 1, 1, 3), (6, 3, 2, 1, 1, 4), (6, 3, 2, 0, 1, 3), (5, 7, 6, 3, 1, 2), (5, 7, 5, 2, 3, 0),
    ];
    for (n, k, s, p, d, windows) in known {
        let pool = Pool::max(1, 1, [n], [k]).stride(s).padding(p).dilation(d).ceil_mode(true);
        let want = (windows > 0).then(|| vec![windows]);
        assert_eq!(spatial(pool), want, "n {n}, k {k}, s {s}, p {p}, d {d}");
    }
    // Rounded down, no window is larger than the padded input.
    assert_eq!(spatial(Pool::max(1, 1, [2], [3]).stride(2)), None);
    // As large as windows may be.
    let most = i32::MAX as usize;
    assert_eq!(spatial(Pool::max(1, 1, [2], [most]).ceil_mode(true)), Some(vec![1]));
    assert_eq!(spatial(Pool::average(1, 1, [1, 2], [1, most]).stride([1, most]).ceil_mode(true)), Some(vec![1, 1]));
    assert_eq!(spatial(Pool::max(1, 1, [2], [most]).stride(most - 2).ceil_mode(true)), None);
    assert_eq!(spatial(Pool::max(1, 1, [2], [2]).stride(most).dilation(most - 1).ceil_mode(true)), Some(vec![1]));
}

#[test]
fn shuffles_keep_the_number_of_elements() {
    for (block, channels) in (1..5).flat_map(|block| (1..20).map(move |channels| (block, channels))) {
        let to_space = Geometry::new(&DepthToSpace::new(2, channels, [3, 4], block).into());
        assert_eq!(to_space.is_ok(), (1..=channels).any(|c| c * block * block == channels));
        if let Ok(geometry) = to_space {
            let out = geometry.output_shape();
            assert_eq!((out[1] * block * block, &out[2..]), (channels, &[3 * block, 4 * block][..]));
            let back = SpaceToDepth::new(2, out[1], [out[2], out[3]], block);
            assert_eq!(Geometry::new(&back.into()).expect("the inverse").output_shape(), [2, channels, 3, 4]);
        }
    }
    assert!(Geometry::new(&SpaceToDepth::new(1, 1, [4, 5], 2).into()).is_err());
}

/// A 2d convolution that has a geometry, to be spoiled in one field.
fn conv() -> Conv {
    Conv::new(2, 4, [8, 9], 6, [3, 3]).padding(1)
}

fn edit<P: Into<Problem>>(mut problem: P, change: impl FnOnce(&mut P)) -> Problem {
    change(&mut problem);
    problem.into()
}

const BIG: usize = 1 << 31;

#[test]
fn every_rule_names_field_value_and_itself() {
    let pool = || Pool::max(1, 2, [8, 8], [2, 2]);
    let up = || ConvTranspose::new(1, 4, [5, 5], 4, [3, 3]).stride(2);
    let deform = || DeformConv2d::new(1, 4, [8, 8], 4, [3, 3]);
    let separable = || DepthwiseSeparable2d::new(1, 4, [8, 8], 4, [3, 3]);
    let huge = usize::MAX;
    #[rustfmt::skip]
    let table: Vec<(Problem, &str, &str, &str)> = vec![
        (edit(conv(), |p| p.batch = 0), "batch", "0", "at least 1"),
        (edit(conv(), |p| p.c_in = 0), "c_in", "0", "at least 1"),
        (edit(conv(), |p| p.c_out = 0), "c_out", "0", "at least 1"),
        (edit(conv(), |p| p.groups = 0), "groups", "0", "at least 1"),
        (edit(conv(), |p| p.input = [8, 0].into()), "input[1]", "0", "at least 1"),
        (edit(conv(), |p| p.kernel = [0, 3].into()), "kernel[0]", "0", "at least 1"),
        (edit(conv(), |p| p.stride = [1, 0].into()), "stride[1]", "0", "at least 1"),
        (edit(conv(), |p| p.dilation = [0, 1].into()), "dilation[0]", "0", "at least 1"),
        (edit(conv(), |p| p.groups = 3), "groups", "3", "divide c_in = 4"),
        (edit(conv(), |p| p.groups = 4), "groups", "4", "divide c_out = 6"),
        (edit(conv(), |p| p.kernel = [11, 3].into()), "kernel[0]", "11", "dilated extent 11 must not exceed the padded input extent 10"),
        (edit(conv(), |p| p.dilation = [1, 6].into()), "kernel[1]", "3", "dilated extent 13 must not exceed the padded input extent 11"),
        (edit(conv(), |p| p.stride = [1].into()), "stride", "1 axes", "2 spatial axes"),
        (edit(conv(), |p| p.kernel = [1, 1, 1].into()), "kernel", "3 axes", "2 spatial axes"),
        (edit(conv(), |p| p.padding = [[0; 2]].into()), "padding", "1 axes", "2 spatial axes"),
        (edit(conv(), |p| p.dilation = [1; 3].into()), "dilation", "3 axes", "2 spatial axes"),
        (edit(conv(), |p| p.batch = BIG), "batch", "2147483648", "below 2^31"),
        (edit(conv(), |p| p.c_in = huge), "c_in", "18446744073709551615", "below 2^31"),
        (edit(conv(), |p| p.c_out = BIG), "c_out", "2147483648", "below 2^31"),
        (edit(conv(), |p| p.groups = BIG), "groups", "2147483648", "below 2^31"),
        (edit(conv(), |p| p.input = [BIG, 8].into()), "input[0]", "2147483648", "below 2^31"),
        (edit(conv(), |p| p.stride = [1, huge].into()), "stride[1]", "18446744073709551615", "below 2^31"),
        (edit(conv(), |p| p.kernel = [huge, 1].into()), "kernel[0]", "18446744073709551615", "below 2^31"),
        (edit(conv(), |p| p.dilation = [1, BIG].into()), "dilation[1]", "2147483648", "below 2^31"),
        (edit(conv(), |p| p.padding = [[0, huge], [0, 0]].into()), "padding[0][1]", "18446744073709551615", "below 2^31"),
        (edit(conv(), |p| p.padding = [[0, 0], [BIG - 1, BIG - 1]].into()), "padding[1]", "[2147483647, 2147483647]", "the padded extent 4294967303 must be below 2^31"),
        (edit(conv(), |p| p.dilation = [BIG - 1, 1].into()), "dilation[0]", "2147483647", "the kernel's dilated extent 4294967295 must be below 2^31"),
        (Conv::new(1, 1, [1], 1, [1]).padding([[0, BIG - 2]]).bias(true).into(), "", "", ""),
        (Conv::new(70_000, 1, [40_000], 1, [1]).into(), "input shape", "[70000, 1, 40000]", "2^31 - 1 elements"),
        (Conv::new(1, 1, [1], BIG - 1, [2]).padding(1).into(), "weight shape", "[2147483647, 1, 2]", "2^31 - 1 elements"),
        (Conv::new(1, 1, [1; 3], 1, [1 << 20; 3]).padding(1 << 20).into(), "kernel", "[1048576, 1048576, 1048576]", "fewer than 2^31 taps"),
        (Im2col::new(1, 1, [1; 3], [1; 3]).padding(1 << 25).into(), "input", "[1, 1, 1]", "its [67108865, 67108865, 67108865] windows must be fewer than 2^31"),
        (Col2im::new(1, 1, [1; 3], [1; 3]).padding(1 << 25).into(), "output", "[1, 1, 1]", "windows must be fewer than 2^31"),
        (Pool::global(1, 1, [1 << 16; 2], PoolMode::Lp { p: 2.0 }).into(), "input", "[65536, 65536]", "fewer than 2^31 positions"),
        (conv().padding(8).padding_mode(PaddingMode::Reflect).into(), "padding[0][0]", "8", "reflect needs padding < extent = 8"),
        (conv().padding([[1, 1], [1, 10]]).padding_mode(PaddingMode::Circular).into(), "padding[1][1]", "10", "circular needs padding <= extent = 9"),
        (conv().activation(Activation::LeakyRelu { slope: f32::NAN }).into(), "epilogue.activation.slope", "NaN", "finite"),
        (up().output_padding(2).into(), "output_padding[0]", "2", "less than max(stride, dilation) = 2"),
        (edit(up(), |p| p.output_padding = [0].into()), "output_padding", "1 axes", "2 spatial axes"),
        (up().padding([[0, 0], [6, 5]]).into(), "padding[1]", "[6, 5]", "crop less than the full output extent 11"),
        (up().stride(BIG - 1).into(), "stride[0]", "2147483647", "the full output extent 8589934591 must be below 2^31"),
        (up().groups(3).into(), "groups", "3", "divide c_in = 4"),
        (edit(deform(), |p| p.input = [8].into()), "input", "[8]", "2 spatial axes"),
        (deform().offset_groups(0).into(), "offset_groups", "0", "at least 1"),
        (deform().offset_groups(3).into(), "offset_groups", "3", "divide c_in = 4"),
        (edit(LocallyConnected2d::new(1, 1, [4, 4], 1, [2, 2]), |p| p.input = [4; 3].into()), "input", "[4, 4, 4]", "2 spatial axes"),
        (SpatialSeparable2d::new(1, 0, [4, 4], [2, 2]).into(), "channels", "0", "at least 1"),
        (SpatialSeparable2d::new(1, 1, [4, 4], [2, 2]).padding(5).padding_mode(PaddingMode::Circular).into(), "padding[0][0]", "5", "circular"),
        (separable().multiplier(0).into(), "multiplier", "0", "at least 1"),
        (separable().multiplier(huge).into(), "multiplier", "18446744073709551615", "below 2^31"),
        (edit(separable(), |p| p.c_in = 0), "c_in", "0", "at least 1"),
        (Pool::max(1, 0, [4], [2]).into(), "channels", "0", "at least 1"),
        (Pool::max(1, BIG, [4], [2]).into(), "channels", "2147483648", "below 2^31"),
        (pool().padding([[0, 0], [0, 2]]).into(), "padding[1][1]", "2", "less than the window's extent 2"),
        (pool().mode(PoolMode::Max { pad_value: Some(f32::INFINITY), indices: false }).into(), "pad_value", "inf", "finite"),
        (pool().mode(PoolMode::Average { count_include_pad: true, divisor_override: Some(0) }).into(), "divisor_override", "0", "positive"),
        (pool().mode(PoolMode::Average { count_include_pad: true, divisor_override: Some(BIG) }).into(), "divisor_override", "2147483648", "below 2^31"),
        (pool().mode(PoolMode::Lp { p: 0.0 }).into(), "p", "0", "positive and finite"),
        (pool().mode(PoolMode::Lp { p: f32::NAN }).into(), "p", "NaN", "positive and finite"),
        (Pool::max(1, 1, [1], [2]).dilation(3).padding(1).stride(1).into(), "kernel[0]", "2", "must not exceed"),
        (Pool::average(1, 1, [1], [2]).mode(PoolMode::Average { count_include_pad: false, divisor_override: None }).dilation(3).padding([[1, 2]]).stride(1).into(), "padding[0][0]", "1", "window 0 would touch padding only"),
        (Pool::max(1, 1, [1], [2]).dilation(3).padding([[1, 2]]).stride(1).into(), "", "", ""),
        (Pool::max(1, 1, [2], [4]).stride(2).ceil_mode(true).into(), "kernel[0]", "4", "its dilated extent 4 may exceed the padded input extent 2 by less than the stride 2"),
        (Pool::max(1, 1, [2], [3]).stride(2).into(), "kernel[0]", "3", "must not exceed the padded input extent 2"),
        (Pool::max(1, 1, [2], [BIG - 1]).stride(2).dilation(2).ceil_mode(true).into(), "dilation[0]", "2", "the kernel's dilated extent 4294967293 must be below 2^31"),
        (Pool::max(1, 1, [2], [BIG - 2]).padding([[BIG - 3, BIG - 3]]).ceil_mode(true).into(), "padding[0]", "[2147483645, 2147483645]", "the padded extent 4294967292 must be below 2^31"),
        (Pool::max(1, 1, [1; 3], [1 << 20; 3]).padding(1 << 19).into(), "kernel", "[1048576, 1048576, 1048576]", "fewer than 2^31 taps"),
        (Im2col::new(1, 0, [4], [2]).into(), "channels", "0", "at least 1"),
        (Col2im::new(1, 1, [4, 0], [2, 2]).into(), "output[1]", "0", "at least 1"),
        (Col2im::new(1, 0, [4, 4], [2, 2]).into(), "channels", "0", "at least 1"),
        (DepthToSpace::new(1, 4, [1, 1], 0).into(), "block", "0", "at least 1"),
        (DepthToSpace::new(1, 6, [1, 1], 2).into(), "channels", "6", "block^2 = 4 must divide it"),
        (DepthToSpace::new(1, 4, [1, 1], huge).into(), "block", "18446744073709551615", "overflows"),
        (DepthToSpace::new(1, 4, [huge, 1], 2).into(), "input[0]", "18446744073709551615", "overflows"),
        (DepthToSpace::new(0, 4, [1, 1], 2).into(), "batch", "0", "at least 1"),
        (DepthToSpace::new(1, 0, [1, 1], 2).into(), "channels", "0", "at least 1"),
        (edit(DepthToSpace::new(1, 4, [1, 1], 2), |p| p.input = [1].into()), "input", "[1]", "two spatial axes"),
        (SpaceToDepth::new(1, 1, [4, 3], 2).into(), "input[1]", "3", "block = 2 must divide it"),
        (SpaceToDepth::new(1, huge, [4, 4], 2).into(), "channels", "18446744073709551615", "overflows"),
        (SpaceToDepth::new(1, 1, [0, 4], 2).into(), "input[0]", "0", "at least 1"),
    ];
    for (problem, field, value, rule) in table {
        match Geometry::new(&problem) {
            Ok(_) => assert_eq!(field, "", "{problem:?} has a geometry"),
            Err(Error::Invalid { field: f, value: v, rule: r }) => {
                assert_eq!((f.as_str(), v.as_str()), (field, value), "{problem:?}: {r}");
                assert!(r.contains(rule), "{problem:?}: {r}");
            }
            Err(error) => panic!("{problem:?}: {error}"),
        }
    }
}

#[test]
fn costs_of_known_layers() {
    let stem = Geometry::new(&Conv::new(1, 3, [224, 224], 64, [7, 7]).stride(2).padding(3).bias(true).into());
    let stem = stem.expect("a valid problem");
    assert_eq!(stem.macs(), 112 * 112 * 64 * 3 * 49);
    assert_eq!(stem.parameters(), 64 * 3 * 49 + 64);
    assert_eq!(stem.min_bytes(Storage::F32), 4 * (3 * 224 * 224 + 64 * 3 * 49 + 64 + 64 * 112 * 112));
    assert_eq!(stem.layer(1), Some(wgconv::LayerShape::new(7).stride(2).padding(3)));
    assert_eq!(stem.layer(2), None);
    let up = Geometry::new(&ConvTranspose::new(2, 4, [5], 6, [3]).groups(2).stride(2).into()).expect("a valid problem");
    assert_eq!(up.macs(), 2 * 4 * 5 * 3 * 3);
    assert_eq!(up.layer(0), Some(wgconv::LayerShape::new(3).stride(2).transposed(true)));
}

#[test]
fn random_problems_never_panic_and_accepted_ones_are_consistent() {
    let accepted = Cell::new([0_usize; 11]);
    let mut runner = TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
    let result = runner.run(&common::strategy::problem(), |problem| {
        let geometry = match Geometry::new(&problem) {
            Ok(geometry) => geometry,
            Err(error) => {
                prop_assert!(matches!(error, Error::Invalid { .. }), "{error}");
                return Ok(());
            }
        };
        let mut counts = accepted.get();
        counts[op_index(&problem)] += 1;
        accepted.set(counts);

        for tensor in geometry.tensors() {
            prop_assert!(!tensor.is_empty() && tensor.len() <= i32::MAX as usize, "{tensor:?}");
            prop_assert_eq!(geometry.tensor(tensor.name), Some(tensor), "a name twice");
        }
        let epilogue = problem.epilogue().copied().unwrap_or_default();
        prop_assert_eq!(geometry.tensor(TensorName::Bias).is_some(), epilogue.bias);
        let residual = geometry.tensor(TensorName::Residual).map(|tensor| &tensor.shape[..]);
        prop_assert_eq!(residual, epilogue.residual.then(|| geometry.output_shape()));
        prop_assert_eq!(geometry.output_shape()[0], problem.batch());
        prop_assert!(geometry.min_bytes(Storage::F32) > 0 && geometry.intensity(Storage::F32).is_finite());
        prop_assert_eq!(geometry.problem(), &problem);
        let _ = (geometry.sampling_macs(), geometry.parameters(), geometry.macs());
        if let Some(window) = geometry.window() {
            let rank = problem_rank(&problem);
            prop_assert_eq!(&window.output[..3 - rank], &[1, 1, 1][..3 - rank]);
            prop_assert_eq!(window.output_axes(rank).len(), rank);
            prop_assert!(window.kernel_len() > 0 && window.output_len() > 0 && window.input_len() > 0);
            prop_assert!(window.c_in_per_group() > 0 && window.c_out_per_group() > 0);
            if let Problem::Conv(_) = problem {
                let per_output = window.c_in_per_group() * window.kernel_len();
                let outputs = geometry.output_shape().iter().product::<usize>();
                prop_assert_eq!(geometry.macs(), (outputs * per_output) as u64);
            }
            for axis in 0..4 {
                let _ = geometry.layer(axis);
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let accepted = accepted.get();
    assert!(accepted.iter().all(|&n| n >= 50), "too few accepted to mean anything: {accepted:?}");
}

fn op_index(problem: &Problem) -> usize {
    match problem {
        Problem::Conv(_) => 0,
        Problem::ConvTranspose(_) => 1,
        Problem::DeformConv2d(_) => 2,
        Problem::LocallyConnected2d(_) => 3,
        Problem::SpatialSeparable2d(_) => 4,
        Problem::DepthwiseSeparable2d(_) => 5,
        Problem::Pool(_) => 6,
        Problem::DepthToSpace(_) => 7,
        Problem::SpaceToDepth(_) => 8,
        Problem::Im2col(_) => 9,
        _ => 10,
    }
}

fn problem_rank(problem: &Problem) -> usize {
    match problem {
        Problem::Conv(p) => p.input.rank(),
        Problem::ConvTranspose(p) => p.input.rank(),
        Problem::Pool(p) => p.input.rank(),
        Problem::Im2col(p) => p.input.rank(),
        Problem::Col2im(p) => p.output.rank(),
        _ => 2,
    }
}
