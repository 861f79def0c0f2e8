//! The libraries that this program knows how to start.

use std::path::{Path, PathBuf};

use crate::client::RunnerSpec;
use crate::error::{Error, Result};
use crate::record::OURS;

/// What `--peer` may name.
pub const KNOWN: [&str; 10] = [
    "burn",
    "torch",
    "torch-f16",
    "torch-cuda",
    "torch-cuda-tf32",
    "torch-cuda-f16",
    "onnxruntime",
    "ncnn",
    "onnxruntime-webgpu",
    "tfjs-webgpu",
];

/// Where things are.
pub struct Places<'a> {
    /// This program.
    pub this: &'a Path,
    /// The scripts in other languages.
    pub runners: &'a Path,
    /// Where `scripts/peers` installs libraries, one folder each.
    pub tools: &'a Path,
    /// A Python that has the libraries, instead of those that are installed there.
    pub python: Option<&'a Path>,
    /// Threads that a runner on the CPU may use.
    pub threads: usize,
}

/// Ours, with further arguments of its runner.
pub fn ours(places: &Places<'_>, more: &[String]) -> RunnerSpec {
    let mut spec = builtin(places, OURS, OURS);
    spec.args.extend_from_slice(more);
    spec
}

/// A known library.
pub fn known(places: &Places<'_>, name: &str) -> Result<RunnerSpec> {
    let python = |folder: &str, script: &str, args: &[&str]| {
        let installed = places.tools.join(folder).join("bin/python");
        let missing = (places.python.is_none() && !installed.exists())
            .then(|| format!("`scripts/peers --peer {name}` installs it"));
        let program = places.python.map_or(installed, Path::to_path_buf);
        let script = places.runners.join(script).display().to_string();
        let args = std::iter::once(script).chain(args.iter().map(|&arg| arg.to_string())).collect();
        spec(places, name, program, args, missing)
    };
    Ok(match name {
        "burn" if cfg!(feature = "burn") => builtin(places, name, name),
        "burn" => {
            let missing = "this program was built without its feature `burn`".to_string();
            spec(places, name, places.this.into(), Vec::new(), Some(missing))
        }
        "torch" => python("torch", "torch_runner.py", &["cpu"]),
        "torch-f16" => python("torch", "torch_runner.py", &["cpu", "--f16"]),
        "torch-cuda" => python("torch", "torch_runner.py", &["cuda"]),
        "torch-cuda-tf32" => python("torch", "torch_runner.py", &["cuda", "--tf32"]),
        "torch-cuda-f16" => python("torch", "torch_runner.py", &["cuda", "--f16"]),
        "onnxruntime" => python("onnxruntime", "onnxruntime_runner.py", &["cpu"]),
        "onnxruntime-webgpu" => python("onnxruntime-webgpu", "onnxruntime_runner.py", &["webgpu"]),
        "ncnn" => python("ncnn", "ncnn_runner.py", &[]),
        "tfjs-webgpu" => {
            let folder = places.tools.join("tfjs-webgpu");
            let script = folder.join("tfjs_runner.mjs");
            let missing = (!script.exists()).then(|| format!("`scripts/peers --peer {name}` installs it"));
            spec(places, name, "node".into(), vec![script.display().to_string()], missing)
        }
        _ => return Err(Error::invalid("--peer", name, format!("it must be one of {}", KNOWN.join(", ")))),
    })
}

/// Somebody's own runner, as `NAME=PROGRAM ARGUMENTS...`.
pub fn custom(places: &Places<'_>, text: &str) -> Result<RunnerSpec> {
    let rule = "it must be NAME=PROGRAM, arguments behind it separated by blanks";
    let wrong = || Error::invalid("--runner", text, rule);
    let (name, command) = text.split_once('=').ok_or_else(wrong)?;
    let mut words = command.split_whitespace().map(String::from);
    let program = words.next().ok_or_else(wrong)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Error::invalid("--runner", text, "its name must be letters, digits, - and _"));
    }
    Ok(spec(places, name, program.into(), words.collect(), None))
}

fn builtin(places: &Places<'_>, name: &str, which: &str) -> RunnerSpec {
    spec(places, name, places.this.into(), vec!["runner".into(), which.into()], None)
}

/// Every runner gets the same processors, a software rasteriser included.
fn spec(places: &Places<'_>, name: &str, program: PathBuf, args: Vec<String>, missing: Option<String>) -> RunnerSpec {
    let threads = places.threads.to_string();
    let env = ["LP_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"];
    let env = env.map(|variable| (variable.to_string(), threads.clone())).into();
    RunnerSpec { name: name.into(), program, args, env, missing }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places<'static> {
        let [this, runners, tools] = ["me", "runners", "nowhere"].map(Path::new);
        Places { this, runners, tools, python: None, threads: 3 }
    }

    #[test]
    fn a_python_of_the_users_takes_the_place_of_installed_ones() {
        let spec = known(&Places { python: Some(Path::new("py")), ..places() }, "torch-cuda-f16").unwrap();
        assert_eq!((spec.program, spec.missing), ("py".into(), None));
        assert_eq!(spec.args, ["runners/torch_runner.py", "cuda", "--f16"]);
    }

    #[test]
    fn every_known_peer_has_a_command() {
        for name in KNOWN {
            let spec = known(&places(), name).unwrap();
            assert_eq!(spec.name, name);
            assert!(spec.env.contains(&("LP_NUM_THREADS".into(), "3".into())));
            // Nothing is installed in a folder that is not there.
            assert!(spec.missing.is_some() || name == "burn", "{name}");
        }
        let error = known(&places(), "cudnn").unwrap_err().to_string();
        assert!(error.starts_with("--peer = cudnn: it must be one of burn, torch"), "{error}");
    }

    #[test]
    fn own_runners_have_a_name_and_a_program() {
        let spec = custom(&places(), "mine=./run --fast").unwrap();
        assert_eq!((&*spec.name, spec.program, spec.args), ("mine", "./run".into(), vec!["--fast".to_string()]));
        for wrong in ["mine", "mine=", "=x", "../mine=x"] {
            assert!(custom(&places(), wrong).is_err(), "{wrong}");
        }
    }
}
