//! The same problems with the same data on several devices: where their results differ, and by how much.
//!
//! docs/backends.md describes the JSON that a [`DiffRecord`] becomes.

mod compare;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

pub use compare::{DiffPlace, DiffRefusal, DiffReport, DiffRow, DiffSource, Difference, compare_results};

use super::record::{Host, Pass, Software};
use super::session::{Expected, worst};
use crate::error::{Error, Result};
use crate::gpu::Outputs;
use crate::problem::Problem;
use crate::tensor::{Inputs, TensorName};

/// Name and version of the format. A change that old readers would misread gets a new number.
pub const DIFF_SCHEMA: &str = "wgconv-diff/1";

/// What the reference is called among the devices and among the algorithms.
pub const REFERENCE: &str = "reference";

/// Results of some problems on some devices of one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiffRecord {
    /// [`DIFF_SCHEMA`].
    pub schema: String,
    /// When it began, RFC 3339 in UTC.
    pub created: String,
    /// What the user calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What ran.
    pub software: Software,
    /// Where.
    pub host: Host,
    /// The most elements of a tensor whose bits are kept.
    pub sample: usize,
    /// Adapters, each seen through one backend, and the reference.
    pub devices: Vec<DiffDevice>,
    /// What was computed.
    pub problems: Vec<DiffProblem>,
    /// What came of it.
    pub results: Vec<DiffResult>,
    /// Bits by their digest: results that are equal share them.
    pub elements: BTreeMap<String, Elements>,
}

/// An adapter through a backend, or the reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffDevice {
    /// What results call it.
    pub id: String,
    /// Of the adapter.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl`, `webgpu`, or `reference`.
    pub backend: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu`, `Other`.
    pub device_type: String,
    /// Name of the driver.
    pub driver: String,
    /// Its version.
    pub driver_info: String,
}

/// A problem with its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiffProblem {
    /// Suite, or `cases`.
    pub suite: String,
    /// Its name there.
    pub layer: String,
    /// `conv2d`, `deform_conv2d` and so on.
    pub operation: String,
    /// Which part.
    pub pass: Pass,
    /// What was computed, so that it can be repeated.
    pub problem: Problem,
    /// [`digest`] of the bits of every tensor that is read, in the order of the problem's tensors.
    pub inputs: String,
}

impl DiffProblem {
    /// What makes problems of two records the same one.
    pub fn key(&self) -> (&str, &str, Pass) {
        (&self.suite, &self.layer, self.pass)
    }

    /// `SUITE/LAYER PASS`.
    pub fn full_name(&self) -> String {
        format!("{}/{} {}", self.suite, self.layer, self.pass.as_str())
    }
}

/// Whether there are numbers, and whether they may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffStatus {
    /// Within the reference's bound.
    Right,
    /// Not.
    Wrong,
    /// The device or the library does not do this.
    Unsupported,
    /// The device gave up.
    Failed,
}

/// One tensor of one problem by one algorithm on one device; of a problem that was not computed the refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiffResult {
    /// Index among the problems.
    pub problem: usize,
    /// [`DiffDevice::id`].
    pub device: String,
    /// Its name, as `--algorithm` takes it, or [`REFERENCE`].
    pub algorithm: String,
    /// Whether there are numbers.
    pub status: DiffStatus,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Which; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<TensorName>,
    /// Its digest, under which the elements are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Largest error over the reference's bound; absent where that is not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_over_tolerance: Option<f64>,
}

/// Bits of a tensor: all of them, or those of evenly spread elements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elements {
    /// How many the tensor has.
    pub len: usize,
    /// Elements 0, `step`, 2·`step` and so on are kept.
    pub step: usize,
    /// Their bits, little-endian, in base64.
    pub bits: Bits,
}

impl Elements {
    /// Keeps at most `most` elements of a tensor.
    pub fn of(words: &[u32], most: usize) -> Elements {
        let step = match words.len().div_ceil(most.max(1)).max(1) {
            1 => 1,
            // Odd, so that it does not stay in the same columns of rows whose length is a power of two.
            step => step | 1,
        };
        Elements { len: words.len(), step, bits: Bits(words.iter().copied().step_by(step).collect()) }
    }

    /// The bits of an element, where they are kept.
    pub fn get(&self, index: usize) -> Option<u32> {
        if index.is_multiple_of(self.step) { self.bits.0.get(index / self.step).copied() } else { None }
    }
}

/// Words that JSON holds in base64.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bits(pub Vec<u32>);

impl From<Bits> for String {
    fn from(bits: Bits) -> String {
        let bytes: Vec<u8> = bits.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        BASE64.encode(bytes)
    }
}

impl TryFrom<String> for Bits {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Bits, String> {
        let bytes = BASE64.decode(&text).map_err(|error| format!("bits: this is no base64: {error}"))?;
        if !bytes.len().is_multiple_of(4) {
            return Err(format!("bits: {} bytes are no words of four", bytes.len()));
        }
        Ok(Bits(bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()))
    }
}

/// FNV-1a of words and their number, 64 bits in hexadecimal: equal on every machine.
pub fn digest(words: &[u32]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    for byte in (words.len() as u64).to_le_bytes().into_iter().chain(bytes) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// How many f32 lie between two: 0 where they are equal, zeros of both signs included, or both no number; `None` where
/// one is and the other is not.
pub fn ulps(a: f32, b: f32) -> Option<u32> {
    let place = |x: f32| {
        let magnitude = i64::from(x.to_bits() & 0x7fff_ffff);
        if x.is_sign_negative() { -magnitude } else { magnitude }
    };
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Some(0),
        // At most twice the bits of an infinity, which is less than 2^32.
        (false, false) => Some((place(a) - place(b)).unsigned_abs() as u32),
        _ => None,
    }
}

impl DiffRecord {
    /// Refuses what the types allow and the format does not: names that lead nowhere, tensors that are there twice.
    pub fn check(&self) -> Result<()> {
        if self.schema != DIFF_SCHEMA {
            return Err(Error::invalid("schema", &self.schema, format!("this version of wgconv reads {DIFF_SCHEMA}")));
        }
        let mut ids = BTreeSet::new();
        for (i, device) in self.devices.iter().enumerate() {
            if !ids.insert(device.id.as_str()) {
                return Err(Error::invalid(format!("devices[{i}].id"), &device.id, "another device has it"));
            }
        }
        let mut keys = BTreeSet::new();
        for (i, problem) in self.problems.iter().enumerate() {
            if !keys.insert(problem.key()) {
                return Err(Error::invalid(
                    format!("problems[{i}]"),
                    problem.full_name(),
                    "another problem is called so",
                ));
            }
        }
        let mut seen = BTreeSet::new();
        for (i, result) in self.results.iter().enumerate() {
            let at = |field: &str| format!("results[{i}].{field}");
            if result.problem >= self.problems.len() {
                let rule = format!("there are {} problems", self.problems.len());
                return Err(Error::invalid(at("problem"), result.problem, rule));
            }
            if !ids.contains(result.device.as_str()) {
                return Err(Error::invalid(at("device"), &result.device, "no device has this id"));
            }
            let has_numbers = matches!(result.status, DiffStatus::Right | DiffStatus::Wrong);
            match (&result.digest, result.tensor) {
                (Some(digest), Some(tensor)) if has_numbers => {
                    if !self.elements.contains_key(digest) {
                        return Err(Error::invalid(at("digest"), digest, "no elements have it"));
                    }
                    if !seen.insert((result.problem, &result.device, &result.algorithm, tensor)) {
                        return Err(Error::invalid(at("tensor"), tensor, "another result is of the same"));
                    }
                }
                (None, None) if !has_numbers => {}
                _ => {
                    let rule = "tensor and digest are there where the status is right or wrong, and only there";
                    return Err(Error::invalid(at("digest"), format!("{:?}", result.digest), rule));
                }
            }
        }
        for (digest, Elements { len, step, bits }) in &self.elements {
            let at = |field: &str| format!("elements.{digest}.{field}");
            if *step == 0 {
                return Err(Error::invalid(at("step"), step, "it must be at least 1"));
            }
            if bits.0.len() != len.div_ceil(*step) {
                let rule = format!("{len} elements in steps of {step} are {}", len.div_ceil(*step));
                return Err(Error::invalid(at("bits"), format!("{} words", bits.0.len()), rule));
            }
        }
        Ok(())
    }

    /// Adds a problem and returns its index.
    pub fn add_problem(
        &mut self,
        suite: &str,
        layer: &str,
        operation: &str,
        pass: Pass,
        data: (&Problem, &Inputs),
    ) -> usize {
        let (problem, inputs) = data;
        let words: Vec<u32> = inputs.values().flatten().map(|value| value.to_bits()).collect();
        self.problems.push(DiffProblem {
            suite: suite.into(),
            layer: layer.into(),
            operation: operation.into(),
            pass,
            problem: problem.clone(),
            inputs: digest(&words),
        });
        self.problems.len() - 1
    }

    /// Adds what the reference says of a problem, rounded to f32.
    pub fn add_reference(&mut self, problem: usize, expected: &Expected) {
        for (&tensor, outcome) in expected.outcomes() {
            let words: Vec<u32> = outcome.output.iter().map(|&value| (value as f32).to_bits()).collect();
            self.add(problem, REFERENCE, REFERENCE, tensor, &words, Some(0.0));
            if let Some(indices) = &outcome.indices {
                self.add(problem, REFERENCE, REFERENCE, TensorName::Indices, indices, Some(0.0));
            }
        }
    }

    /// Adds what a device computed.
    pub fn add_outputs(&mut self, problem: usize, device: &str, outputs: &Outputs, expected: &Expected) {
        let algorithm = outputs.algorithm;
        for (&tensor, outcome) in expected.outcomes() {
            let got = match tensor {
                TensorName::Output => Some(&outputs.output),
                gradient => outputs.gradients.get(&gradient),
            };
            // A tensor that is missing has no number that is right.
            let got = got.map_or(&[][..], Vec::as_slice);
            let words: Vec<u32> = got.iter().map(|value| value.to_bits()).collect();
            self.add(problem, device, algorithm.name(), tensor, &words, Some(worst(outcome, got, algorithm)));
            if let Some(want) = &outcome.indices {
                let indices = outputs.indices.as_deref().unwrap_or(&[]);
                let error = if indices == want { 0.0 } else { f64::INFINITY };
                self.add(problem, device, algorithm.name(), TensorName::Indices, indices, Some(error));
            }
        }
    }

    /// Adds that a device does not do this, or gave up.
    pub fn add_refusal(&mut self, problem: usize, device: &str, algorithm: &str, status: DiffStatus, message: &str) {
        self.results.push(DiffResult {
            problem,
            device: device.into(),
            algorithm: algorithm.into(),
            status,
            message: Some(message.into()),
            tensor: None,
            digest: None,
            error_over_tolerance: None,
        });
    }

    fn add(
        &mut self,
        problem: usize,
        device: &str,
        algorithm: &str,
        tensor: TensorName,
        words: &[u32],
        error: Option<f64>,
    ) {
        let digest = digest(words);
        self.elements.entry(digest.clone()).or_insert_with(|| Elements::of(words, self.sample));
        // So that a NaN is wrong.
        let is_right = error.is_some_and(|error| error <= 1.0);
        self.results.push(DiffResult {
            problem,
            device: device.into(),
            algorithm: algorithm.into(),
            status: if is_right { DiffStatus::Right } else { DiffStatus::Wrong },
            message: None,
            tensor: Some(tensor),
            digest: Some(digest),
            error_over_tolerance: error.filter(|error| error.is_finite()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;
    use crate::problem::Conv;
    use crate::tensor::Storage;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let text = |bytes: &[u8]| String::from(Bits(bytemuck::pod_collect_to_vec(bytes)));
        assert_eq!(text(b""), "");
        assert_eq!(text(b"foob"), "Zm9vYg==");
        assert_eq!(text(b"foobarba"), "Zm9vYmFyYmE=");
        assert_eq!(text(b"Many hands m"), "TWFueSBoYW5kcyBt");
        for len in 0..9 {
            let bits = Bits((0..len).map(|i: u32| i.wrapping_mul(0x9e37_79b9)).collect());
            assert_eq!(Bits::try_from(String::from(bits.clone())), Ok(bits));
        }
        for wrong in ["A", "Zm9vYg=", "Zm9v!g==", "====", "Zm9v", "Zm9=Yg=="] {
            assert!(Bits::try_from(wrong.to_string()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn distances_count_the_numbers_between() {
        let one = f32::from_bits(1);
        assert_eq!(ulps(1.0, 1.0_f32.next_up()), Some(1));
        assert_eq!(ulps(0.0, -0.0), Some(0));
        assert_eq!(ulps(one, -one), Some(2));
        assert_eq!(ulps(f32::MAX, f32::INFINITY), Some(1));
        assert_eq!(ulps(f32::NEG_INFINITY, f32::INFINITY), Some(2 * 0x7f80_0000));
        assert_eq!(ulps(f32::NAN, -f32::NAN), Some(0));
        assert_eq!(ulps(f32::NAN, 1.0), None);
    }

    #[test]
    fn digests_know_order_and_length() {
        let all = [digest(&[]), digest(&[0]), digest(&[0, 0]), digest(&[1, 2]), digest(&[2, 1])];
        assert_eq!(BTreeSet::from(all.clone()).len(), all.len());
        assert_eq!(digest(&[]), "a8c7f832281a39c5");
    }

    #[test]
    fn samples_are_bounded_and_spread() {
        let words: Vec<u32> = (0..1000).collect();
        for most in [1, 2, 7, 100, 999, 1000, 5000] {
            let kept = Elements::of(&words, most);
            assert!(kept.bits.0.len() <= most && kept.bits.0.len() >= most.min(1000) / 3, "{most}");
            for i in 0..1000 {
                assert_eq!(kept.get(i), i.is_multiple_of(kept.step).then_some(i as u32));
            }
            assert_eq!(kept.get(1000), None);
        }
        assert_eq!(Elements::of(&[], 4), Elements { len: 0, step: 1, bits: Bits(Vec::new()) });
    }

    fn device(id: &str) -> DiffDevice {
        let [name, driver] = [format!("adapter {id}"), "driver".into()];
        let backend = if id == REFERENCE { REFERENCE.into() } else { "vulkan".into() };
        DiffDevice { id: id.into(), name, backend, device_type: "Cpu".into(), driver, driver_info: "1".into() }
    }

    fn empty(devices: &[&str]) -> DiffRecord {
        DiffRecord {
            schema: DIFF_SCHEMA.into(),
            created: String::new(),
            label: None,
            software: Software { wgconv: "0".into(), wgpu: "0".into(), commit: None },
            host: Host { os: "os".into(), arch: "arch".into(), processor: None, processors: None },
            sample: 4096,
            devices: devices.iter().map(|id| device(id)).collect(),
            problems: Vec::new(),
            results: Vec::new(),
            elements: BTreeMap::new(),
        }
    }

    /// A problem with outputs 3 and 5, and what each device made of them.
    fn record(outputs: &[(&str, [f32; 2])]) -> DiffRecord {
        let names: Vec<&str> = std::iter::once(REFERENCE).chain(outputs.iter().map(|(name, _)| *name)).collect();
        let mut record = empty(&names);
        let problem: Problem = Conv::new(1, 1, [3], 1, [2]).into();
        let inputs = Inputs::from([(TensorName::Input, vec![1.0, 2.0, 3.0]), (TensorName::Weight, vec![1.0, 1.0])]);
        let expected = Expected::of(&problem, &inputs, Storage::F32).unwrap();
        let at = record.add_problem("spread", "sum", "conv1d", Pass::Forward, (&problem, &inputs));
        record.add_reference(at, &expected);
        for (name, output) in outputs {
            let outputs = Outputs {
                algorithm: Algorithm::Direct,
                output: output.to_vec(),
                indices: None,
                gradients: BTreeMap::new(),
            };
            record.add_outputs(at, name, &outputs, &expected);
        }
        record
    }

    #[test]
    fn differences_are_counted_placed_and_judged() {
        let up = 5.0_f32.next_up();
        let record = record(&[("a", [3.0, 5.0]), ("b", [3.0, up]), ("c", [f32::NAN, 5.0])]);
        record.check().unwrap();
        // The equal tensors are kept once.
        assert_eq!(record.elements.len(), 3);
        let report = compare_results(&[record]).unwrap();
        let row = |rows: &[DiffRow], source: usize| rows.iter().find(|row| row.source == source).unwrap().clone();
        let [a, b, c] = [1, 2, 3].map(|source| row(&report.against_reference, source));
        assert_eq!((a.tensors, a.equal, a.differing, a.max_ulps, a.wrong), (1, 1, 0, Some(0), 0));
        assert_eq!((b.equal, b.differing, b.max_ulps, b.max_scaled_ulps, b.wrong), (0, 1, Some(1), 1.0, 0));
        let worst = b.worst.unwrap();
        assert_eq!((worst.element, worst.baseline, worst.value), (1, 5.0, f64::from(up)));
        assert_eq!((c.differing, c.max_ulps, c.wrong, c.error_over_tolerance), (1, None, 1, None));
        // Between devices the first one is the baseline.
        let between = row(&report.between_devices, 2);
        assert_eq!((between.baseline, between.max_ulps), (1, Some(1)));
    }

    #[test]
    fn records_of_several_machines_meet() {
        let (mine, yours) = (record(&[("a", [3.0, 5.0])]), record(&[("a", [3.0, 5.0_f32.next_down()])]));
        let report = compare_results(&[mine.clone(), yours.clone()]).unwrap();
        let labels: BTreeSet<&str> = report.sources.iter().map(|source| source.label.as_str()).collect();
        assert_eq!(labels.len(), 4, "{labels:?}");
        let row = report.between_devices.iter().find(|row| row.algorithm == "direct").unwrap();
        assert_eq!((row.baseline, row.source, row.max_ulps), (1, 3, Some(1)));
        // The references agree.
        let row = report.between_devices.iter().find(|row| row.algorithm == REFERENCE).unwrap();
        assert_eq!((row.baseline, row.source, row.equal), (0, 2, 1));

        let mut other = yours.clone();
        other.problems[0].inputs = digest(&[1]);
        let error = compare_results(&[mine.clone(), other]).unwrap_err().to_string();
        assert!(error.contains("inputs of spread/sum forward"), "{error}");
        let mut other = yours;
        other.problems[0].problem = Conv::new(1, 1, [4], 1, [2]).into();
        let error = compare_results(&[mine, other]).unwrap_err().to_string();
        assert!(error.contains("problem of spread/sum forward"), "{error}");
    }

    #[test]
    fn what_lies_beyond_the_sample_is_noticed() {
        let words = |last: u32| -> Vec<u32> { (0..9).chain([last]).map(|x| (x as f32).to_bits()).collect() };
        let (a, b) = (Elements::of(&words(9), 4), Elements::of(&words(10), 4));
        let difference = Difference::of(&a, &b, false, false);
        assert!(difference.beyond_sample == (difference.differing == 0) && !difference.is_none());
        // Samples of different steps meet where both have an element.
        let coarse = Elements::of(&words(9), 2);
        assert_eq!(Difference::of(&Elements::of(&words(9), 100), &coarse, false, true).compared, coarse.bits.0.len());
    }

    #[test]
    fn records_that_contradict_themselves_are_refused() {
        let good = record(&[("a", [3.0, 5.0])]);
        let refuse = |tamper: &dyn Fn(&mut DiffRecord), field: &str| {
            let mut record = good.clone();
            tamper(&mut record);
            let error = record.check().unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        };
        refuse(&|record| record.schema = "wgconv-diff/2".into(), "schema");
        refuse(&|record| record.devices.push(device("a")), "devices[2].id");
        refuse(&|record| record.problems.push(record.problems[0].clone()), "problems[1]");
        refuse(&|record| record.results[0].problem = 1, "results[0].problem");
        refuse(&|record| record.results[1].device = "x".into(), "results[1].device");
        refuse(&|record| record.results[1].digest = Some("x".into()), "results[1].digest");
        refuse(&|record| record.results[1].tensor = None, "results[1].digest");
        refuse(&|record| record.results.push(record.results[0].clone()), "results[2].tensor");
        refuse(&|record| record.elements.values_mut().for_each(|e| e.step = 0), "elements.");
        refuse(&|record| record.elements.values_mut().for_each(|e| e.len += 1), "elements.");
    }
}
