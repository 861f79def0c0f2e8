//! Case folders: a `case.json` with the arrays that it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::attributes::Attributes;
use super::document::{self, did_you_mean};
use super::files;
use super::npy::Array;
use super::operation::Op;
use super::request::Task;
use crate::error::{Error, Result};
use crate::tensor::TensorName;

/// The file in a case folder that describes it.
pub const CASE_FILE: &str = "case.json";
/// The input that gradients start from.
const GRAD_OUTPUT: &str = "grad_output";
/// What names of gradients begin with.
const GRADIENT: &str = "grad_";
/// The version of the format that is understood.
const FORMAT: u64 = 1;
/// Operations of case files that this program has no intention of computing.
const FOREIGN: [&str; 3] = ["conv_integer", "qlinear_conv", "max_unpool"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object that describes a case")]
struct CaseFile {
    // See `Head`.
    #[serde(default, rename = "format")]
    _format: IgnoredAny,
    op: String,
    #[serde(default)]
    attrs: serde_json::Map<String, Value>,
    inputs: BTreeMap<String, String>,
    #[serde(default)]
    outputs: BTreeMap<String, String>,
    #[serde(default)]
    tolerance: BTreeMap<String, Tolerance>,
    expect: Option<Expect>,
    // What follows is for people and other programs.
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    #[serde(default, rename = "arrays")]
    _arrays: IgnoredAny,
    #[serde(default, rename = "aux")]
    _aux: IgnoredAny,
    #[serde(default, rename = "tags")]
    _tags: IgnoredAny,
    #[serde(default, rename = "notes")]
    _notes: IgnoredAny,
    #[serde(default, rename = "source")]
    _source: IgnoredAny,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expect {
    /// The request is invalid and must be refused.
    Error,
}

/// How close a result must be to the expectation.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(from = "WrittenTolerance")]
pub struct Tolerance {
    /// Equal to the expectation in f32.
    pub exact: bool,
    /// What |got - want| may be.
    pub atol: f64,
    /// What it may be beyond that, as a share of |want|.
    pub rtol: f64,
    /// What it usually is; a result beyond it passes, and the summary says by how much.
    pub atol_typical: Option<f64>,
}

/// All fields of a tolerance.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object that describes a tolerance")]
struct WrittenTolerance {
    #[serde(default)]
    exact: bool,
    #[serde(default)]
    atol: f64,
    #[serde(default)]
    rtol: f64,
    atol_typical: Option<f64>,
    // How `atol` came about, which holds them already.
    #[serde(default, rename = "K")]
    _terms: IgnoredAny,
    #[serde(default, rename = "max_sum_abs")]
    _max_sum_abs: IgnoredAny,
    #[serde(default, rename = "allowance")]
    _allowance: IgnoredAny,
    #[serde(default, rename = "torch_f32_err")]
    _torch_f32_err: IgnoredAny,
}

impl From<WrittenTolerance> for Tolerance {
    fn from(written: WrittenTolerance) -> Self {
        let WrittenTolerance { exact, atol, rtol, atol_typical, .. } = written;
        Tolerance { exact, atol, rtol, atol_typical }
    }
}

impl Tolerance {
    /// Refuses what no error can be compared with.
    fn check(&self, output: &str) -> std::result::Result<(), String> {
        let numbers =
            [("atol", self.atol), ("rtol", self.rtol), ("atol_typical", self.atol_typical.unwrap_or_default())];
        match numbers.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
            Some((field, value)) => {
                Err(format!("tolerance.{output}.{field} = {value}: it must be finite and not negative"))
            }
            None => Ok(()),
        }
    }
}

/// What is read before the rest.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object that describes a case")]
struct Head {
    format: Option<u64>,
}

impl CaseFile {
    /// What the types do not say.
    fn check(&self) -> std::result::Result<(), String> {
        // A case that names no output has the one that every operation has.
        let named = self.outputs.keys().map(String::as_str);
        let outputs: Vec<&str> = if self.outputs.is_empty() { vec!["output"] } else { named.collect() };
        for (output, tolerance) in &self.tolerance {
            if !outputs.contains(&output.as_str()) {
                let (there, hint) = (outputs.join(", "), did_you_mean(output, outputs.iter().copied()));
                return Err(format!("tolerance.{output}: the case has no such output; there are {there}{hint}"));
            }
            tolerance.check(output)?;
        }
        Ok(())
    }
}

/// A case folder whose `case.json` was read and is well-formed. Its arrays are read when they are asked for.
#[derive(Debug)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    file: CaseFile,
}

impl Case {
    /// Reads `case.json` of a folder.
    pub fn load(folder: &Path) -> Result<Case> {
        let path = folder.join(CASE_FILE);
        let bytes = files::read(&path)?;
        let wrong = |reason: String| Error::File { path: path.display().to_string(), reason };
        // Another format may have other fields.
        let Head { format } = document::parse(&bytes).map_err(wrong)?;
        if let Some(format) = format.filter(|&format| format != FORMAT) {
            let what = format!("{}: format = {format}", path.display());
            return Err(Error::Unsupported { what, reason: format!("this library reads format {FORMAT}") });
        }
        let file: CaseFile = document::parse(&bytes).map_err(wrong)?;
        file.check().map_err(wrong)?;
        let full = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        let name = full.file_name().map_or_else(|| "case".into(), |name| name.to_string_lossy().into_owned());
        Ok(Case { name, folder: folder.to_path_buf(), file })
    }

    /// The operation's name as the file spells it.
    pub fn op_name(&self) -> &str {
        &self.file.op
    }

    /// Whether the request must be refused.
    pub fn expects_error(&self) -> bool {
        self.file.expect == Some(Expect::Error)
    }

    /// Names of the gradients that it asks for.
    pub fn gradients(&self) -> Vec<&str> {
        self.file.outputs.keys().map(String::as_str).filter(|name| name.starts_with(GRADIENT)).collect()
    }

    /// The forward outputs that it asks for; `output` when it names none at all.
    pub fn forward_outputs(&self) -> Vec<TensorName> {
        if self.file.outputs.is_empty() {
            return vec![TensorName::Output];
        }
        [TensorName::Output, TensorName::Indices]
            .into_iter()
            .filter(|name| self.file.outputs.contains_key(name.as_str()))
            .collect()
    }

    /// Tolerance of an output.
    pub fn tolerance(&self, output: &str) -> Tolerance {
        self.file.tolerance.get(output).copied().unwrap_or_default()
    }

    /// The array that an output must equal, where the case has one.
    pub fn expected(&self, output: &str) -> Result<Option<Array>> {
        self.file.outputs.get(output).map(|file| Array::load(&self.folder.join(file))).transpose()
    }

    /// What the gradients start from, where the case has it.
    pub fn grad_output(&self) -> Result<Option<Array>> {
        self.file.inputs.get(GRAD_OUTPUT).map(|file| Array::load(&self.folder.join(file))).transpose()
    }

    /// The operation and its attributes.
    pub fn request(&self) -> Result<(Op, Attributes)> {
        let name = self.op_name();
        if FOREIGN.iter().any(|foreign| name.starts_with(foreign)) {
            let reason = "no kernel computes it".into();
            return Err(Error::Unsupported { what: format!("op = {name:?}"), reason });
        }
        let op = Op::parse(name).ok_or_else(|| {
            let known: Vec<String> = Op::all().map(Op::name).collect();
            let rule = format!("it must be one of {}{}", known.join(", "), Op::hint(name));
            Error::invalid("op", format!("{name:?}"), rule)
        })?;
        for output in self.file.outputs.keys() {
            let known = output == "output" || output.starts_with(GRADIENT) || (output == "indices" && op.has_indices());
            if !known {
                let indices = op.has_indices().then_some("indices");
                let gradients = op.tensors().filter_map(|tensor| Some(tensor.gradient()?.as_str()));
                let hint = did_you_mean(output, ["output"].into_iter().chain(indices).chain(gradients));
                let rule = format!("{} has no such output{hint}", op.name());
                return Err(Error::invalid("outputs", format!("{output:?}"), rule));
            }
        }
        Ok((op, Attributes::from_json(&self.file.attrs, op.attributes(), &op.name())?))
    }

    /// Reads the inputs and checks everything.
    pub fn task(&self) -> Result<Task> {
        let (op, attributes) = self.request()?;
        let mut arrays = BTreeMap::new();
        for (name, file) in &self.file.inputs {
            // What the gradients start from is no input of the operation itself.
            if name == GRAD_OUTPUT {
                continue;
            }
            let tensor = TensorName::parse(name).ok_or_else(|| {
                let known = op.tensors().map(TensorName::as_str).chain([GRAD_OUTPUT]);
                let rule = format!("{} has no such tensor{}", op.name(), did_you_mean(name, known));
                Error::invalid("inputs", format!("{name:?}"), rule)
            })?;
            arrays.insert(tensor, Array::load(&self.folder.join(file))?);
        }
        let indices = self.forward_outputs().contains(&TensorName::Indices);
        Task::new(op, &attributes, &arrays, indices)
    }
}

/// The case folders that paths lead to: each path is one, or holds some.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for path in paths {
        if path.join(CASE_FILE).exists() {
            folders.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|error| files::error_of(path, &error))?;
        let mut inside: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.join(CASE_FILE).exists()).collect();
        if inside.is_empty() {
            let reason = format!("there is no {CASE_FILE} in it or in the folders in it");
            return Err(Error::File { path: path.display().to_string(), reason });
        }
        inside.sort();
        folders.append(&mut inside);
    }
    Ok(folders)
}
