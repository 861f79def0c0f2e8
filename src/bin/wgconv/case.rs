//! Case folders: a `case.json` with the arrays that it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use wgconv::TensorName;

use crate::attributes::Attributes;
use crate::failure::{Failure, Result};
use crate::files;
use crate::gradient;
use crate::npy::Array;
use crate::operation::Op;
use crate::request::Task;

/// The file in a case folder that describes it.
pub const CASE_FILE: &str = "case.json";
/// The input that gradients start from.
const GRAD_OUTPUT: &str = "grad_output";
/// The version of the format that is understood.
const FORMAT: u64 = 1;
/// Operations of case files that this program has no intention of computing.
const FOREIGN: [&str; 3] = ["conv_integer", "qlinear_conv", "max_unpool"];

#[derive(Debug, Deserialize)]
struct CaseFile {
    format: Option<u64>,
    op: String,
    #[serde(default)]
    attrs: serde_json::Map<String, Value>,
    inputs: BTreeMap<String, String>,
    #[serde(default)]
    outputs: BTreeMap<String, String>,
    #[serde(default)]
    tolerance: BTreeMap<String, Tolerance>,
    expect: Option<String>,
}

/// How close a result must be to the expectation.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Tolerance {
    #[serde(default)]
    pub exact: bool,
    #[serde(default)]
    pub atol: f64,
    #[serde(default)]
    pub rtol: f64,
    pub atol_typical: Option<f64>,
}

#[derive(Debug)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    pub folder: PathBuf,
    file: CaseFile,
}

impl Case {
    pub fn load(folder: &Path) -> Result<Case> {
        let path = folder.join(CASE_FILE);
        let bytes = files::read(&path)?;
        let file: CaseFile =
            serde_json::from_slice(&bytes).map_err(|error| Failure::invalid(format!("{}: {error}", path.display())))?;
        if let Some(format) = file.format
            && format != FORMAT
        {
            let rule = format!("{}: format = {format}: this program reads format {FORMAT}", path.display());
            return Err(Failure::unsupported(rule));
        }
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
        self.file.expect.as_deref() == Some("error")
    }

    /// Names of the gradients that it asks for.
    pub fn gradients(&self) -> Vec<&str> {
        self.file.outputs.keys().map(String::as_str).filter(|name| name.starts_with(gradient::PREFIX)).collect()
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
            return Err(Failure::unsupported(format!("op = {name:?} is not supported: no kernel computes it")));
        }
        let op = Op::parse(name).ok_or_else(|| {
            let known: Vec<String> = Op::all().map(Op::name).collect();
            Failure::invalid(format!("op = {name:?}: it must be one of {}", known.join(", ")))
        })?;
        for output in self.file.outputs.keys() {
            let known =
                output == "output" || output.starts_with(gradient::PREFIX) || (output == "indices" && op.has_indices());
            if !known {
                return Err(Failure::invalid(format!("outputs = {output:?}: {} has no such output", op.name())));
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
            let tensor = TensorName::parse(name)
                .ok_or_else(|| Failure::invalid(format!("inputs = {name:?}: {} has no such tensor", op.name())))?;
            arrays.insert(tensor, Array::load(&self.folder.join(file))?);
        }
        let indices = self.forward_outputs().contains(&TensorName::Indices);
        Ok(Task::new(op, &attributes, &arrays, indices)?)
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
        let entries = std::fs::read_dir(path)
            .map_err(|error| Failure::invalid(format!("cannot read {}: {error}", path.display())))?;
        let mut inside: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.join(CASE_FILE).exists()).collect();
        if inside.is_empty() {
            let rule = format!("{}: there is no {CASE_FILE} in it or in the folders in it", path.display());
            return Err(Failure::invalid(rule));
        }
        inside.sort();
        folders.append(&mut inside);
    }
    Ok(folders)
}
