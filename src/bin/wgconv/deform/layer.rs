//! The deformable layer that a laboratory command looks at: a case folder's, or a picture's with preset offsets.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use wgconv::lab::field::Preset;
use wgconv::lab::picture::Format;
use wgconv::{DeformConv2d, Geometry, Inputs, Problem, TensorName};

use crate::case::Case;
use crate::console::tell;
use crate::failure::{Failure, Result};
use crate::{files, picture};

#[derive(Debug, Args)]
pub struct LayerArgs {
    /// Case folder of a deform_conv2d
    #[arg(value_name = "CASE_DIR")]
    case: Option<PathBuf>,
    /// A picture or a .npy file instead of a case
    #[arg(long, value_name = "FILE", conflicts_with = "case")]
    image: Option<PathBuf>,
    /// Offsets of the picture's layer
    #[arg(long, value_name = "PRESET", default_value = "zoom", conflicts_with = "case")]
    preset: PresetName,
    /// Of the preset: the zoom's factor, degrees, or pixels
    #[arg(long, value_name = "X", default_value_t = 2.0, conflicts_with = "case")]
    strength: f32,
    /// Height and width of the picture's kernel
    #[arg(long, value_name = "N", default_value_t = 3, conflicts_with = "case")]
    kernel: usize,
    /// Distance of the picture's taps
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "case")]
    dilation: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PresetName {
    /// Taps farther from the centre, by a factor
    Zoom,
    /// Taps turned about the centre, in degrees
    Rotate,
    /// Columns moved by their row, in pixels per tap
    Shear,
    /// A wave over the image, in pixels
    Wave,
    /// Uniformly random in every direction, in pixels
    Random,
}

impl PresetName {
    pub fn with(self, strength: f32) -> Preset {
        match self {
            PresetName::Zoom => Preset::Zoom(strength),
            PresetName::Rotate => Preset::Rotate(strength),
            PresetName::Shear => Preset::Shear(strength),
            PresetName::Wave => Preset::Wave(strength),
            PresetName::Random => Preset::Random(strength),
        }
    }
}

/// 1 GiB.
const MOST_OFFSETS: usize = 1 << 28;

/// A layer with its data.
pub struct Layer {
    pub problem: DeformConv2d,
    pub inputs: Inputs,
    pub grad_output: Vec<f32>,
    pub name: String,
}

impl LayerArgs {
    pub fn load(&self) -> Result<Layer> {
        match (&self.case, &self.image) {
            (Some(case), _) => of_case(case),
            (None, Some(image)) => self.of_image(image),
            (None, None) => Err(Failure::invalid("CASE_DIR: a case folder or --image is needed")),
        }
    }

    fn of_image(&self, path: &Path) -> Result<Layer> {
        let (array, picture) = picture::load(path)?;
        if let Some(left_out) = picture.map(|picture| picture.left_out(None)).filter(|words| !words.is_empty()) {
            tell!("{}: not looked at: {}", path.display(), left_out.join(", "));
        }
        let [1, channels, height, width] = array.shape[..] else {
            let rule = format!(
                "--image = {}: shape {:?}, it must be one image of 1 x channels x height x width",
                path.display(),
                array.shape
            );
            return Err(Failure::invalid(rule));
        };
        if !self.strength.is_finite() {
            return Err(Failure::invalid(format!("--strength = {}: it must be finite", self.strength)));
        }
        let padding = self.kernel.saturating_sub(1).saturating_mul(self.dilation) / 2;
        let problem = DeformConv2d::new(1, channels, [height, width], 1, [self.kernel; 2])
            .dilation(self.dilation)
            .padding(padding);
        let geometry = Geometry::new(&problem.clone().into())?;
        let len = |name| geometry.tensor(name).map_or(0, wgconv::TensorSpec::len);
        let (weights, offsets) = (len(TensorName::Weight), len(TensorName::Offset));
        if offsets > MOST_OFFSETS {
            let rule = format!(
                "--kernel = {}: {offsets} offsets for {height} x {width} pixels, at most {MOST_OFFSETS} are drawn up",
                self.kernel
            );
            return Err(Failure::invalid(rule));
        }
        let inputs = Inputs::from([
            (TensorName::Input, array.to_f32().map_err(|error| Failure::from(error).of("--image"))?),
            (TensorName::Weight, vec![1.0 / weights as f32; weights]),
            (TensorName::Offset, self.preset.with(self.strength).offsets(&problem)?),
        ]);
        let outputs = geometry.output_shape().iter().product();
        Ok(Layer { problem, inputs, grad_output: vec![1.0; outputs], name: path.display().to_string() })
    }
}

fn of_case(folder: &Path) -> Result<Layer> {
    let case = Case::load(folder)?;
    let task = case.task().map_err(|error| Failure::from(error).of(folder.display()))?;
    let geometry = &task.checked.geometry;
    let Problem::DeformConv2d(problem) = geometry.problem() else {
        let rule = format!("op = {}: the laboratory looks at deform_conv2d", case.op_name());
        return Err(Failure::invalid(rule));
    };
    let len: usize = geometry.output_shape().iter().product();
    let grad_output = match case.grad_output()? {
        Some(array) => array.to_f32().map_err(|error| Failure::from(error).of("grad_output"))?,
        None => vec![1.0; len],
    };
    Ok(Layer { problem: problem.clone(), inputs: task.inputs, grad_output, name: case.name })
}

/// `ROW,COLUMN`
pub fn pair(text: &str) -> std::result::Result<[usize; 2], String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    match parts[..] {
        [row, column] => match (row.parse(), column.parse()) {
            (Ok(row), Ok(column)) => Ok([row, column]),
            _ => Err(format!("{text} is not a row and a column, as in 3,4")),
        },
        _ => Err(format!("{text} is not a row and a column, as in 3,4")),
    }
}

/// The format that a file name asks for, where the file can be written; stdout gets SVG.
pub fn picture_format(option: &str, path: &Path) -> Result<Format> {
    files::expect_targets([], [(option, Some(path))])?;
    if files::is_dash(path) {
        return Ok(Format::Svg);
    }
    Format::of(path)
        .ok_or_else(|| Failure::invalid(format!("{option} = {}: it must end in .svg or .png", path.display())))
}
