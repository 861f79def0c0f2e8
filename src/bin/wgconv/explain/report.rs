//! An explanation as text and as JSON.

use serde_json::{Value, json};
use wgconv::{Candidate, Cost};

use super::{Explanation, Served};
use crate::console::{Table, say};
use crate::devices::{bytes, class};

/// Most overlap counts of an axis that are printed.
const MOST_COUNTS: usize = 48;

impl Explanation {
    pub(super) fn say(&self) {
        let geometry = &self.geometry;
        let input = geometry.tensors().first().map(|spec| spec.shape.clone()).unwrap_or_default();
        say!("{}: {input:?} -> {:?}\n", self.op, geometry.output_shape());
        let mut tensors = Table::new(&["tensor", "shape", "elements", "size"]);
        for spec in geometry.tensors() {
            let size = bytes(spec.bytes(self.storage));
            tensors.row(vec![spec.name.to_string(), format!("{:?}", spec.shape), spec.len().to_string(), size]);
        }
        tensors.say();
        say!("");
        self.say_window();
        self.say_costs();
        self.devices.iter().for_each(Served::say);
        if let Some(matrix) = &self.matrix {
            say!("\nas a matrix, one row per output element:");
            let mut table = Table::without_header();
            for row in 0..matrix.rows() {
                table.row(matrix.row(row).iter().map(ToString::to_string).collect());
            }
            table.say();
        }
    }

    fn say_window(&self) {
        if self.layers.is_empty() {
            return;
        }
        let each = |values: Vec<String>| values.join(" x ");
        let effective = self.layers.iter().map(|l| l.effective_kernel().map_or("-".into(), |n| n.to_string()));
        say!("kernel           {}", each(self.layers.iter().map(|l| l.kernel.to_string()).collect()));
        say!("effective kernel {}", each(effective.collect()));
        let sizes = self.fields.iter().map(|f| f.size.to_string()).collect();
        let starts: Vec<String> = self.fields.iter().map(|f| f.start.to_string()).collect();
        let jumps: Vec<String> = self.fields.iter().map(|f| f.jump().to_string()).collect();
        let (starts, jumps) = (starts.join(", "), jumps.join(", "));
        say!("receptive field  {}, the first at {starts}, moving by {jumps} per output", each(sizes));
        let Some(overlap) = &self.overlap else { return };
        for (axis, counts) in overlap.axes.iter().enumerate() {
            let shown: Vec<String> = counts.iter().take(MOST_COUNTS).map(ToString::to_string).collect();
            let more = if counts.len() > MOST_COUNTS { " ..." } else { "" };
            say!("overlaps axis {axis}  {}{more}", shown.join(" "));
        }
        for (axis, [kernel, stride, dilation]) in overlap.windows.iter().enumerate() {
            // Cannot be zero: geometry rejects such a stride.
            let rest = kernel % stride;
            let dilated = if *dilation > 1 { format!(", dilation {dilation}") } else { String::new() };
            say!("rule, axis {axis}     kernel % stride = {kernel} % {stride} = {rest}{dilated}");
        }
        if overlap.uniform {
            say!("                 even away from the borders: no checkerboard");
        } else {
            say!(
                "                 uneven: a checkerboard; even where kernel % stride = 0 and the dilation shares no \
                 divisor with the stride"
            );
        }
    }

    fn say_costs(&self) {
        let geometry = &self.geometry;
        if geometry.macs() > 0 {
            say!("multiply-adds    {}", geometry.macs());
        }
        if geometry.sampling_macs() > 0 {
            say!("  for sampling   {}", geometry.sampling_macs());
        }
        say!("parameters       {}", geometry.parameters());
        say!("bytes at least   {} ({})", geometry.min_bytes(self.storage), bytes(geometry.min_bytes(self.storage)));
        if geometry.macs() > 0 {
            say!("intensity        {:.2} flop per byte", geometry.intensity(self.storage));
        }
        if let Some(cost) = &self.deform {
            say!(
                "deformable       {} offset and {} mask channels, predicted with {} multiply-adds and {} parameters; \
                 {} multiply-adds to sample; {:.3} times the plain convolution",
                cost.offset_channels,
                cost.mask_channels,
                cost.branch.macs,
                cost.branch.parameters,
                cost.sampling_macs,
                cost.macs_ratio(),
            );
        }
        if let Some(cost) = &self.separable {
            say!(
                "separable        {} multiply-adds and {} parameters, {:.3} and {:.3} times the plain convolution",
                cost.separable.macs,
                cost.separable.parameters,
                cost.macs_ratio(),
                cost.parameters_ratio(),
            );
        }
    }

    pub(super) fn json(&self) -> Value {
        let geometry = &self.geometry;
        let cost = |cost: &Cost| json!({"macs": cost.macs, "parameters": cost.parameters});
        let tensors: Vec<Value> = geometry
            .tensors()
            .iter()
            .map(|spec| {
                let bytes = spec.bytes(self.storage);
                json!({"name": spec.name.as_str(), "shape": spec.shape, "elements": spec.len(), "bytes": bytes})
            })
            .collect();
        let axes: Vec<Value> = self
            .layers
            .iter()
            .zip(&self.fields)
            .map(|(layer, field)| {
                json!({
                    "kernel": layer.kernel, "effective_kernel": layer.effective_kernel().ok(),
                    "receptive_field": field.size, "start": field.start, "jump": field.jump(),
                })
            })
            .collect();
        json!({
            "op": self.op,
            "problem": serde_json::to_value(geometry.problem()).unwrap_or_default(),
            "output_shape": geometry.output_shape(),
            "tensors": tensors,
            "axes": axes,
            "overlap": self.overlap.as_ref().map(|o| json!({
                "counts": o.axes,
                "kernel_modulo_stride": o.windows.iter().map(|[kernel, stride, _]| kernel % stride).collect::<Vec<_>>(),
                "uniform": o.uniform,
            })),
            "macs": geometry.macs(),
            "sampling_macs": geometry.sampling_macs(),
            "parameters": geometry.parameters(),
            "min_bytes": geometry.min_bytes(self.storage),
            "intensity": geometry.intensity(self.storage),
            "deformable": self.deform.as_ref().map(|d| json!({
                "offset_channels": d.offset_channels, "mask_channels": d.mask_channels, "branch": cost(&d.branch),
                "sampling_macs": d.sampling_macs, "total_macs": d.total_macs(), "macs_ratio": d.macs_ratio(),
            })),
            "depthwise_separable": self.separable.as_ref().map(|s| json!({
                "separable": cost(&s.separable), "plain": cost(&s.plain), "macs_ratio": s.macs_ratio(),
                "parameters_ratio": s.parameters_ratio(),
            })),
            "devices": self.devices.iter().map(Served::json).collect::<Vec<_>>(),
            "matrix": self.matrix.as_ref().map(|m| (0..m.rows()).map(|row| m.row(row)).collect::<Vec<_>>()),
        })
    }
}

impl Served {
    fn say(&self) {
        say!("\nalgorithms on {} ({}):", self.device, self.capabilities);
        for candidate in &self.candidates {
            let name = candidate.algorithm.name();
            match &candidate.verdict {
                Ok(what) => say!("  + {name:<15} {what}"),
                Err(why) => say!("  - {name:<15} does not apply: {why}"),
            }
        }
        match &self.choice {
            Ok(choice) => say!("chosen: {} ({})", choice.algorithm, choice.reason),
            Err(error) => say!("refused: {error}"),
        }
    }

    fn json(&self) -> Value {
        let candidate = |c: &Candidate| {
            json!({
                "algorithm": c.algorithm.name(), "applies": c.verdict.is_ok(),
                "why": c.verdict.as_ref().map_or_else(Clone::clone, Clone::clone),
                "workspace_bytes": c.workspace_bytes,
            })
        };
        json!({
            "device": self.device,
            "class": class(&self.capabilities),
            "algorithms": self.candidates.iter().map(candidate).collect::<Vec<_>>(),
            "chosen": self.choice.as_ref().ok().map(|choice| json!({
                "algorithm": choice.algorithm.name(), "reason": choice.reason,
            })),
            "refused": self.choice.as_ref().err().map(ToString::to_string),
        })
    }
}
