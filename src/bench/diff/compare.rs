//! Where the results of records differ, and by how much.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{DiffDevice, DiffProblem, DiffRecord, DiffResult, DiffStatus, Elements, REFERENCE, ulps};
use crate::bench::record::Pass;
use crate::error::{Error, Result};
use crate::tensor::TensorName;

/// How two tensors differ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Elements that both records kept.
    pub compared: usize,
    /// Those that are not equal.
    pub differing: usize,
    /// The largest distance in units in the last place of the elements; 0 where all are equal; `None` where a number meets
    /// none, or where integers differ.
    pub max_ulps: Option<u32>,
    /// The largest distance in units in the last place of the first tensor's largest element: near 1 where all rounding
    /// errors are, however small the element.
    pub max_scaled_ulps: f64,
    /// The element with the largest distance.
    pub worst: Option<usize>,
    /// Whether the digests differ although all that was kept is equal.
    pub beyond_sample: bool,
}

impl Difference {
    /// Nothing differs, kept or not.
    pub fn is_none(&self) -> bool {
        self.differing == 0 && !self.beyond_sample
    }

    /// Compares two tensors of the same number of elements; `equal` says that their digests are.
    pub(super) fn of(a: &Elements, b: &Elements, is_integer: bool, equal: bool) -> Difference {
        let both = (0..a.len).step_by(a.step).filter_map(|i| Some((i, a.get(i)?, b.get(i)?)));
        let magnitudes = a.bits.0.iter().map(|&bits| f32::from_bits(bits).abs()).filter(|x| x.is_finite());
        let largest = magnitudes.fold(0.0, f32::max);
        // Of the smallest normal where everything is smaller.
        let ulp = f64::from(largest.max(f32::MIN_POSITIVE).next_up()) - f64::from(largest.max(f32::MIN_POSITIVE));
        let (mut compared, mut differing, mut max, mut scaled, mut worst) = (0, 0, Some(0), 0.0_f64, None);
        for (i, x, y) in both {
            compared += 1;
            let (a, b) = (f32::from_bits(x), f32::from_bits(y));
            let distance = if is_integer { (x == y).then_some(0) } else { ulps(a, b) };
            // Zeros of both signs are equal, and so are all that are no numbers.
            if distance == Some(0) {
                continue;
            }
            differing += 1;
            if !is_integer && (a - b).is_finite() {
                scaled = scaled.max((f64::from(a) - f64::from(b)).abs() / ulp);
            }
            if worst.is_none() || (max.is_some() && distance.is_none_or(|distance| Some(distance) > max)) {
                (max, worst) = (max.and(distance), Some(i));
            }
        }
        let beyond_sample = !equal && differing == 0 && compared < a.len;
        Difference { compared, differing, max_ulps: max, max_scaled_ulps: scaled, worst, beyond_sample }
    }
}

/// A device of one of several records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffSource {
    /// Index among the records.
    pub record: usize,
    /// In words that no other source has.
    pub label: String,
    /// The device.
    #[serde(flatten)]
    pub device: DiffDevice,
}

/// All results of one tensor of an operation by one algorithm on one device, against those of a baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffRow {
    /// `conv2d`, `deform_conv2d` and so on.
    pub operation: String,
    /// Which part.
    pub pass: Pass,
    /// Which tensor.
    pub tensor: TensorName,
    /// How the device computed it.
    pub algorithm: String,
    /// Index among the sources of what it is compared with.
    pub baseline: usize,
    /// Index among the sources.
    pub source: usize,
    /// Compared tensors.
    pub tensors: usize,
    /// Those without a difference.
    pub equal: usize,
    /// Compared elements.
    pub elements: usize,
    /// Those that differ.
    pub differing: usize,
    /// As in [`Difference::max_ulps`].
    pub max_ulps: Option<u32>,
    /// As in [`Difference::max_scaled_ulps`].
    pub max_scaled_ulps: f64,
    /// Largest error over the reference's bound; absent where it is not finite, or not known.
    pub error_over_tolerance: Option<f64>,
    /// Tensors that the reference calls wrong.
    pub wrong: usize,
    /// Where the largest distance is.
    pub worst: Option<DiffPlace>,
}

/// An element with what two devices made of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffPlace {
    /// [`DiffProblem::full_name`].
    pub problem: String,
    /// Index in the contiguous tensor.
    pub element: usize,
    /// The baseline's bits, in hexadecimal.
    pub baseline_bits: String,
    /// The device's bits.
    pub bits: String,
    /// The baseline's number; null where it is none.
    pub baseline: f64,
    /// The device's number.
    pub value: f64,
}

/// What several records say of each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffReport {
    /// Every device of every record.
    pub sources: Vec<DiffSource>,
    /// Every device's results against the reference, rounded to f32.
    pub against_reference: Vec<DiffRow>,
    /// The results of one algorithm on one device against those on the first device that has them.
    pub between_devices: Vec<DiffRow>,
    /// Problems that were not computed: source, problem, algorithm, and why.
    pub refusals: Vec<DiffRefusal>,
}

/// A problem that was not computed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffRefusal {
    /// Index among the sources.
    pub source: usize,
    /// [`DiffProblem::full_name`].
    pub problem: String,
    /// How it was to be computed.
    pub algorithm: String,
    /// Unsupported or failed.
    pub status: DiffStatus,
    /// Why.
    pub message: String,
}

/// A result as it is looked up: what it is of, then which source has it.
type Found<'a> = BTreeMap<(usize, TensorName, &'a str), BTreeMap<usize, (&'a DiffResult, &'a Elements)>>;

/// Compares all records. Problems of the same name must be the same problem with the same data.
pub fn compare_results(records: &[DiffRecord]) -> Result<DiffReport> {
    let sources = sources(records);
    let source_of = |record: usize, id: &str| {
        sources.iter().position(|source| source.record == record && source.device.id == id).unwrap_or_default()
    };
    let mut problems: Vec<&DiffProblem> = Vec::new();
    let mut found: Found<'_> = BTreeMap::new();
    let mut refusals = Vec::new();
    for (r, record) in records.iter().enumerate() {
        record.check()?;
        let mut number = Vec::new();
        for problem in &record.problems {
            let known = problems.iter().position(|other| other.key() == problem.key());
            if let Some(other) = known.map(|known| problems[known]) {
                let field = |name: &str| format!("{name} of {}", problem.full_name());
                if other.problem != problem.problem {
                    let rule = format!("another record computes {:?}", other.problem);
                    return Err(Error::invalid(field("problem"), format!("{:?}", problem.problem), rule));
                }
                if other.inputs != problem.inputs {
                    let rule = format!("another record's data are {}", other.inputs);
                    return Err(Error::invalid(field("inputs"), &problem.inputs, rule));
                }
            }
            number.push(known.unwrap_or(problems.len()));
            if known.is_none() {
                problems.push(problem);
            }
        }
        for result in &record.results {
            let source = source_of(r, &result.device);
            let problem = number[result.problem];
            let elements = result.digest.as_ref().and_then(|digest| record.elements.get(digest));
            match (result.tensor, elements) {
                (Some(tensor), Some(elements)) => {
                    let key = (problem, tensor, result.algorithm.as_str());
                    found.entry(key).or_default().insert(source, (result, elements));
                }
                _ => refusals.push(DiffRefusal {
                    source,
                    problem: problems[problem].full_name(),
                    algorithm: result.algorithm.clone(),
                    status: result.status,
                    message: result.message.clone().unwrap_or_default(),
                }),
            }
        }
    }
    let is_reference = |source: &usize| sources[*source].device.backend == REFERENCE;
    let mut against_reference = Rows::default();
    let mut between_devices = Rows::default();
    for (&(problem, tensor, algorithm), by_source) in &found {
        let first_reference =
            found.get(&(problem, tensor, REFERENCE)).and_then(|by_source| by_source.first_key_value());
        let place = (problems[problem], tensor, algorithm);
        for (&source, &result) in by_source.iter().filter(|(source, _)| !is_reference(source)) {
            if let Some((&baseline, &want)) = first_reference {
                against_reference.add(place, (baseline, want), (source, result))?;
            }
        }
        // The reference of another machine is a device like any other here.
        let mut devices = by_source.iter();
        if let Some((&baseline, &want)) = devices.next() {
            for (&source, &result) in devices {
                between_devices.add(place, (baseline, want), (source, result))?;
            }
        }
    }
    Ok(DiffReport { against_reference: against_reference.0, between_devices: between_devices.0, sources, refusals })
}

/// Devices with labels that tell them apart: the name and the backend, then the driver, then the record.
fn sources(records: &[DiffRecord]) -> Vec<DiffSource> {
    let mut sources: Vec<DiffSource> = Vec::new();
    for (record, DiffRecord { devices, .. }) in records.iter().enumerate() {
        sources.extend(devices.iter().map(|device| DiffSource {
            record,
            label: String::new(),
            device: device.clone(),
        }));
    }
    let short = |device: &DiffDevice| match device.backend.as_str() {
        REFERENCE => REFERENCE.to_string(),
        backend => format!("{}, {backend}", device.name),
    };
    let long = |device: &DiffDevice| match device.backend.as_str() {
        REFERENCE => REFERENCE.to_string(),
        _ => format!("{}, {}", short(device), device.driver_info),
    };
    let unique = |label: &dyn Fn(&DiffSource) -> String, source: &DiffSource| {
        let own = label(source);
        sources.iter().filter(|other| label(other) == own).count() == 1
    };
    let labels: Vec<String> = sources
        .iter()
        .map(|source| {
            if unique(&|source| short(&source.device), source) {
                short(&source.device)
            } else if unique(&|source| long(&source.device), source) {
                long(&source.device)
            } else {
                let record = &records[source.record];
                let place = record.label.as_deref().map_or_else(|| format!("record {}", source.record + 1), Into::into);
                format!("{} ({place}, device {})", short(&source.device), source.device.id)
            }
        })
        .collect();
    sources.iter_mut().zip(labels).for_each(|(source, label)| source.label = label);
    sources
}

/// Rows that grow.
#[derive(Default)]
struct Rows(Vec<DiffRow>);

impl Rows {
    fn add(
        &mut self,
        (problem, tensor, algorithm): (&DiffProblem, TensorName, &str),
        (baseline, (want, want_elements)): (usize, (&DiffResult, &Elements)),
        (source, (got, got_elements)): (usize, (&DiffResult, &Elements)),
    ) -> Result<()> {
        if want_elements.len != got_elements.len {
            let field = format!("{tensor} of {}", problem.full_name());
            let rule = format!("another device has {}", want_elements.len);
            return Err(Error::invalid(field, format!("{} elements", got_elements.len), rule));
        }
        let equal = want.digest == got.digest;
        let difference = Difference::of(want_elements, got_elements, tensor == TensorName::Indices, equal);
        let of_row = |row: &DiffRow| {
            (row.operation.as_str(), row.pass, row.tensor, row.algorithm.as_str(), row.baseline, row.source)
                == (problem.operation.as_str(), problem.pass, tensor, algorithm, baseline, source)
        };
        let index = self.0.iter().position(of_row).unwrap_or_else(|| {
            self.0.push(DiffRow {
                operation: problem.operation.clone(),
                pass: problem.pass,
                tensor,
                algorithm: algorithm.into(),
                baseline,
                source,
                tensors: 0,
                equal: 0,
                elements: 0,
                differing: 0,
                max_ulps: Some(0),
                max_scaled_ulps: 0.0,
                error_over_tolerance: Some(0.0),
                wrong: 0,
                worst: None,
            });
            self.0.len() - 1
        });
        let row = &mut self.0[index];
        row.tensors += 1;
        row.equal += usize::from(difference.is_none());
        row.elements += difference.compared;
        row.differing += difference.differing;
        row.max_scaled_ulps = row.max_scaled_ulps.max(difference.max_scaled_ulps);
        row.wrong += usize::from(got.status == DiffStatus::Wrong);
        row.error_over_tolerance = match (row.error_over_tolerance, got.error_over_tolerance) {
            (Some(a), Some(b)) => Some(a.max(b)),
            _ => None,
        };
        let is_worse = difference.max_ulps.is_none_or(|ulps| row.max_ulps.is_some_and(|worst| ulps > worst));
        if let Some(element) = difference.worst
            && (row.worst.is_none() || (row.max_ulps.is_some() && is_worse))
        {
            // Cannot be absent: the element was compared.
            let [a, b] = [want_elements, got_elements].map(|elements| elements.get(element).unwrap_or_default());
            let number = |bits: u32| match tensor {
                TensorName::Indices => f64::from(bits),
                _ => f64::from(f32::from_bits(bits)),
            };
            row.worst = Some(DiffPlace {
                problem: problem.full_name(),
                element,
                baseline_bits: format!("{a:08x}"),
                bits: format!("{b:08x}"),
                baseline: number(a),
                value: number(b),
            });
        }
        row.max_ulps = row.max_ulps.zip(difference.max_ulps).map(|(a, b)| a.max(b));
        Ok(())
    }
}
