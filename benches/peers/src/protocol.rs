//! What the host and a runner say to each other: one JSON object on a line, a reply to every request.
//! README.md describes it for those who write a runner in another language.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wgconv::{Problem, TensorName};

/// The part of training that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Pass {
    /// The output.
    Forward,
    /// The output, then the gradient of every tensor that went into it.
    ForwardBackward,
}

impl Pass {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Pass::Forward => "forward",
            Pass::ForwardBackward => "forward_backward",
        }
    }
}

/// Little-endian f32 without a header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TensorFile {
    /// Where.
    pub path: PathBuf,
    /// Extents, the last one varies fastest.
    pub shape: Vec<usize>,
}

/// What a runner is to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// For messages.
    pub name: String,
    /// `conv2d`, `deform_conv2d` and so on.
    pub operation: String,
    /// Which part.
    pub pass: Pass,
    /// The operation.
    pub problem: Problem,
    /// Files to read, `grad_output` among them for a backward pass.
    pub inputs: BTreeMap<TensorName, TensorFile>,
    /// Files that `run` writes: `output`, and for a backward pass `grad_input` and so on.
    pub outputs: BTreeMap<TensorName, TensorFile>,
}

/// From the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Request {
    /// Once, first.
    Hello {
        /// Threads that a runner on the CPU may use.
        threads: usize,
    },
    /// Upload, compile, tune; replaces the case before.
    Prepare(Box<Case>),
    /// Compute the case and write its outputs.
    Run,
    /// Time the case.
    Time {
        /// How many batches.
        batches: usize,
        /// Milliseconds that a batch takes at least.
        min_ms: f64,
    },
    /// Forget the case.
    Drop,
}

/// From a runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To `hello`.
    Hello(Peer),
    /// To `prepare`: the case is ready.
    Ready {
        /// How it is computed, where the runner knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        how: Option<String>,
    },
    /// To `prepare`: the runner's library has no such operation. To `hello`: nor a device.
    Unsupported {
        /// Why.
        reason: String,
    },
    /// To `run` and `drop`.
    Done,
    /// To `time`.
    Times(Times),
    /// To anything.
    Error {
        /// What went wrong.
        message: String,
    },
}

/// Who is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Of the library.
    pub version: String,
    /// Adapter or processor.
    pub device: String,
    /// Of the adapter, with its version.
    #[serde(default)]
    pub driver: String,
    /// What the products are computed in.
    #[serde(default)]
    pub precision: Precision,
    /// What lies between start and end of a batch, in words.
    pub timed: String,
}

/// What the products are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// f32 throughout.
    #[default]
    F32,
    /// Factors rounded to 10 bits behind the point, sums in f32.
    Tf32,
    /// Tensors of f16, sums in f32.
    F16,
}

/// Batches of one visit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Times {
    /// Milliseconds of an execution, by the wall clock, one for each batch.
    pub ms: Vec<f64>,
    /// Executions of a batch.
    pub repeats: usize,
    /// Milliseconds of an execution by the device's own clock, where the runner has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_ms: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_documented() {
        let line = |request: &Request| serde_json::to_string(request).unwrap();
        assert_eq!(line(&Request::Hello { threads: 2 }), r#"{"method":"hello","threads":2}"#);
        assert_eq!(line(&Request::Run), r#"{"method":"run"}"#);
        let time = r#"{"method":"time","batches":3,"min_ms":20.0}"#;
        assert_eq!(line(&Request::Time { batches: 3, min_ms: 20.0 }), time);
        let times: Reply = serde_json::from_str(r#"{"reply":"times","ms":[1.5,2.0],"repeats":4}"#).unwrap();
        assert_eq!(times, Reply::Times(Times { ms: vec![1.5, 2.0], repeats: 4, device_ms: vec![] }));
        let peer = r#"{"reply":"hello","version":"1","device":"cpu","timed":"all of it"}"#;
        assert!(matches!(serde_json::from_str(peer).unwrap(), Reply::Hello(Peer { precision: Precision::F32, .. })));
    }

    #[test]
    fn a_case_survives_its_line() {
        let file = |shape: &[usize]| TensorFile { path: "x.f32".into(), shape: shape.to_vec() };
        let case = Case {
            name: "mine/stem".into(),
            operation: "conv2d".into(),
            pass: Pass::ForwardBackward,
            problem: wgconv::Conv::new(1, 3, [8, 8], 4, [3, 3]).padding(1).into(),
            inputs: [(TensorName::Input, file(&[1, 3, 8, 8]))].into(),
            outputs: [(TensorName::GradInput, file(&[1, 3, 8, 8]))].into(),
        };
        let line = serde_json::to_string(&Request::Prepare(Box::new(case.clone()))).unwrap();
        assert!(line.contains(r#""method":"prepare""#) && line.contains(r#""grad_input":{"path":"x.f32""#), "{line}");
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), Request::Prepare(Box::new(case)));
    }
}
