//! Attributes of an operation: the numbers and words beside its tensors, from a case file or from the command line.

use serde_json::Value;

use super::document::did_you_mean;
use crate::error::Error;
use crate::problem::{Activation, Axes, PaddingMode, ShuffleOrder};

type Result<T> = std::result::Result<T, Error>;

/// One attribute as case files name it; the command line writes it with hyphens.
pub struct Attribute {
    /// In case files.
    pub name: &'static str,
    /// What its value looks like.
    pub form: Form,
    /// Placeholder of the value in the help.
    pub value: &'static str,
    /// What it means, and its default.
    pub help: &'static str,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One number for all axes or one for each.
    Counts,
    /// One number for all sides, one for each axis, `[begin, end]` for each axis, or a word.
    Padding,
    /// A whole number.
    Count,
    /// True or false.
    Flag,
    /// A finite number.
    Number,
    /// A name.
    Word,
}

const fn attribute(name: &'static str, form: Form, value: &'static str, help: &'static str) -> Attribute {
    Attribute { name, form, value, help }
}

/// Every attribute.
pub const ATTRIBUTES: [Attribute; 18] = [
    attribute("kernel_size", Form::Counts, "K|K,K", "Window extents: one for all axes or one for each"),
    attribute(
        "stride",
        Form::Counts,
        "S|S,S",
        "Step of the window: one for all axes or one for each [default: 1, pools: the kernel]",
    ),
    attribute(
        "padding",
        Form::Padding,
        "P|P,P|B:E,B:E|same|valid",
        "Padding: one for all sides, one for each axis, or begin:end for each axis; `same` keeps the size at stride 1 \
         [default: 0]",
    ),
    attribute(
        "dilation",
        Form::Counts,
        "D|D,D",
        "Distance between taps: one for all axes or one for each [default: 1]",
    ),
    attribute(
        "output_padding",
        Form::Counts,
        "P|P,P",
        "Positions added at the end of each axis of the output, less than max(stride, dilation) [default: 0]",
    ),
    attribute("output_size", Form::Counts, "N|N,N", "Spatial extents of the output"),
    attribute("groups", Form::Count, "G", "Channel groups of the weight [default: 1]"),
    attribute("offset_groups", Form::Count, "G", "Channel groups of the offset and the mask [default: 1]"),
    attribute(
        "padding_mode",
        Form::Word,
        "MODE",
        "What the padding reads as: zeros, reflect, replicate or circular [default: zeros]",
    ),
    attribute(
        "flip_kernel",
        Form::Flag,
        "BOOL",
        "Mirror the kernel: the textbook convolution instead of the cross-correlation",
    ),
    attribute(
        "activation",
        Form::Word,
        "NAME[:SLOPE]",
        "Applied last: relu, relu6, leaky-relu[:0.01], silu, hard-swish, gelu, gelu-tanh [default: none]",
    ),
    attribute("ceil_mode", Form::Flag, "BOOL", "Round the output extents up"),
    attribute("count_include_pad", Form::Flag, "BOOL", "Count padding in the divisor [default: true]"),
    attribute("divisor_override", Form::Count, "N", "Divide by this instead of the number of elements"),
    attribute("pad_value", Form::Number, "X", "Value of the padding [default: minus infinity]"),
    attribute("p", Form::Number, "P", "Exponent of the norm [default: 2]"),
    attribute("block_size", Form::Count, "R", "Pixels of a block along one axis"),
    attribute(
        "mode",
        Form::Word,
        "CRD|DCR",
        "Channel order: CRD is PyTorch's pixel shuffle, DCR is ONNX's default [default: CRD]",
    ),
];

/// A value for all axes or one for each.
#[derive(Debug, Clone, PartialEq)]
pub enum PerAxis<T> {
    /// For all axes.
    All(T),
    /// One for each axis.
    Each(Vec<T>),
}

impl<T: Copy> PerAxis<T> {
    /// As axes; `field` names a list of the wrong length.
    pub fn axes(&self, field: &str, rank: usize) -> Result<Axes<T>> {
        match self {
            PerAxis::All(value) => Ok(Axes::splat(*value, rank)),
            PerAxis::Each(values) if values.len() == rank => Axes::from_slice(field, values),
            PerAxis::Each(values) => Err(Error::invalid(
                field,
                format!("{} entries", values.len()),
                format!("the operation has {rank} spatial ax{}", if rank == 1 { "is" } else { "es" }),
            )),
        }
    }
}

/// Padding as given.
#[derive(Debug, Clone, PartialEq)]
pub enum Padding {
    /// Elements at the begin and the end of axes.
    Sides(PerAxis<[usize; 2]>),
    /// Keeps the extents at stride 1; an odd remainder goes to the end.
    Same,
}

/// Values that were given; `None` leaves the default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes {
    /// Window extents.
    pub kernel_size: Option<PerAxis<usize>>,
    /// Step of the window.
    pub stride: Option<PerAxis<usize>>,
    /// Padding.
    pub padding: Option<Padding>,
    /// Distance between taps.
    pub dilation: Option<PerAxis<usize>>,
    /// Positions added at the end of each axis of the output.
    pub output_padding: Option<PerAxis<usize>>,
    /// Spatial extents of the output.
    pub output_size: Option<PerAxis<usize>>,
    /// Channel groups of the weight.
    pub groups: Option<usize>,
    /// Channel groups of offset and mask.
    pub offset_groups: Option<usize>,
    /// What the padding reads as.
    pub padding_mode: Option<PaddingMode>,
    /// Whether the kernel is mirrored.
    pub flip_kernel: Option<bool>,
    /// Applied last.
    pub activation: Option<Activation>,
    /// Whether output extents are rounded up.
    pub ceil_mode: Option<bool>,
    /// Whether padding counts in the divisor.
    pub count_include_pad: Option<bool>,
    /// Divisor of the sum.
    pub divisor_override: Option<usize>,
    /// Value of the padding.
    pub pad_value: Option<f32>,
    /// Exponent of the norm.
    pub p: Option<f32>,
    /// Pixels of a block along one axis.
    pub block_size: Option<usize>,
    /// Channel order of a shuffle.
    pub mode: Option<ShuffleOrder>,
}

impl Attributes {
    /// From JSON. `allowed` are the operation's own; others pass when their value changes nothing.
    pub fn from_json<'a>(
        given: impl IntoIterator<Item = (&'a String, &'a Value)>,
        allowed: &[&str],
        op: &str,
    ) -> Result<Self> {
        let mut attributes = Attributes::default();
        for (name, value) in given {
            if value.is_null() && ATTRIBUTES.iter().any(|attribute| attribute.name == name) {
                continue;
            }
            let mut alone = Attributes::default();
            alone.set(name, value)?;
            if allowed.contains(&name.as_str()) {
                attributes.set(name, value)?;
            } else if !alone.changes_nothing() {
                let hint = did_you_mean(name, allowed.iter().copied());
                return Err(Error::invalid(name.as_str(), value, format!("{op} has no such attribute{hint}")));
            }
        }
        Ok(attributes)
    }

    /// Sets one attribute.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        match name {
            "kernel_size" => self.kernel_size = Some(per_axis(name, value)?),
            "stride" => self.stride = Some(per_axis(name, value)?),
            "padding" => self.padding = Some(padding(name, value)?),
            "dilation" => self.dilation = Some(per_axis(name, value)?),
            "output_padding" => self.output_padding = Some(per_axis(name, value)?),
            "output_size" => self.output_size = Some(per_axis(name, value)?),
            "groups" => self.groups = Some(whole(name, value)?),
            "offset_groups" => self.offset_groups = Some(whole(name, value)?),
            "padding_mode" => self.padding_mode = Some(padding_mode(name, value)?),
            "flip_kernel" => self.flip_kernel = Some(flag(name, value)?),
            "activation" => self.activation = Some(activation(name, value)?),
            "ceil_mode" => self.ceil_mode = Some(flag(name, value)?),
            "count_include_pad" => self.count_include_pad = Some(flag(name, value)?),
            "divisor_override" => self.divisor_override = Some(whole(name, value)?),
            "pad_value" => self.pad_value = Some(number(name, value)?),
            "p" => self.p = Some(number(name, value)?),
            "block_size" => self.block_size = Some(whole(name, value)?),
            "mode" => self.mode = Some(order(name, value)?),
            _ => {
                let hint = did_you_mean(name, ATTRIBUTES.iter().map(|attribute| attribute.name));
                return Err(wrong(name, value, &format!("no operation has such an attribute{hint}")));
            }
        }
        Ok(())
    }

    /// Whether an operation that lacks these attributes does what they ask for anyway.
    fn changes_nothing(&self) -> bool {
        let ones = |value: &Option<PerAxis<usize>>| match value {
            None => true,
            Some(PerAxis::All(n)) => *n == 1,
            Some(PerAxis::Each(n)) => n.iter().all(|&n| n == 1),
        };
        let zeros = |value: &Option<PerAxis<usize>>| match value {
            None => true,
            Some(PerAxis::All(n)) => *n == 0,
            Some(PerAxis::Each(n)) => n.iter().all(|&n| n == 0),
        };
        let unpadded = match &self.padding {
            None | Some(Padding::Sides(PerAxis::All([0, 0]))) => true,
            Some(Padding::Sides(PerAxis::Each(sides))) => sides.iter().all(|&sides| sides == [0, 0]),
            _ => false,
        };
        let neutral = Attributes {
            stride: self.stride.clone(),
            padding: self.padding.clone(),
            dilation: self.dilation.clone(),
            output_padding: self.output_padding.clone(),
            groups: self.groups.filter(|&n| n == 1),
            offset_groups: self.offset_groups.filter(|&n| n == 1),
            padding_mode: self.padding_mode.filter(|&mode| mode == PaddingMode::Zeros),
            flip_kernel: self.flip_kernel.filter(|&flip| !flip),
            activation: self.activation.filter(|&activation| activation == Activation::Identity),
            ceil_mode: self.ceil_mode.filter(|&ceil| !ceil),
            ..Attributes::default()
        };
        *self == neutral && ones(&self.stride) && ones(&self.dilation) && zeros(&self.output_padding) && unpadded
    }
}

/// A command-line value in the notation of case files: `2`, `2,1`, `0:1,2:2`, `true`, `same`.
pub fn json_of(form: Form, text: &str) -> Value {
    let word = |text: &str| Value::String(text.into());
    let whole = |text: &str| match (text.parse::<u64>(), text.parse::<i64>()) {
        (Ok(n), _) => Value::from(n),
        (_, Ok(n)) => Value::from(n),
        _ => word(text),
    };
    // `begin:end` or a number.
    let entry = |part: &str| match part.trim().split_once(':') {
        Some((begin, end)) => Value::Array(vec![whole(begin), whole(end)]),
        None => whole(part.trim()),
    };
    match form {
        Form::Counts | Form::Padding if text.contains([',', ':']) => Value::Array(text.split(',').map(entry).collect()),
        Form::Counts | Form::Padding | Form::Count => whole(text),
        Form::Flag => match text {
            "true" | "1" => true.into(),
            "false" | "0" => false.into(),
            _ => word(text),
        },
        // JSON has no notation for the values that are not finite; as words they are refused by name.
        Form::Number => {
            text.parse::<f64>().map_or_else(|_| word(text), |x| if x.is_finite() { x.into() } else { word(text) })
        }
        Form::Word => word(text),
    }
}

fn wrong(field: &str, value: &Value, rule: &str) -> Error {
    // A long value would hide the rule.
    let mut text = value.to_string();
    if text.chars().count() > 60 {
        text = text.chars().take(60).chain("...".chars()).collect();
    }
    Error::invalid(field, text, rule)
}

fn whole(field: &str, value: &Value) -> Result<usize> {
    if value.as_i64().is_some_and(|n| n < 0) {
        return Err(wrong(field, value, "it must not be negative"));
    }
    let whole = value.as_u64().and_then(|n| usize::try_from(n).ok());
    whole.ok_or_else(|| match value.as_f64() {
        // In JSON 2.0 is no integer.
        Some(n) if n.fract() == 0.0 && n.abs() < 2.0_f64.powi(53) => {
            wrong(field, value, "it must be written as a whole number, without point and exponent")
        }
        _ => wrong(field, value, "it must be a whole number below 2^64"),
    })
}

fn per_axis(field: &str, value: &Value) -> Result<PerAxis<usize>> {
    match value {
        Value::Array(items) => {
            let entry = |(axis, item): (usize, &Value)| whole(&format!("{field}[{axis}]"), item);
            Ok(PerAxis::Each(items.iter().enumerate().map(entry).collect::<Result<_>>()?))
        }
        _ => Ok(PerAxis::All(whole(field, value)?)),
    }
}

fn padding(field: &str, value: &Value) -> Result<Padding> {
    match value {
        Value::String(word) if word == "same" => Ok(Padding::Same),
        Value::String(word) if word == "valid" => Ok(Padding::Sides(PerAxis::All([0; 2]))),
        Value::Array(items) => {
            let entry = |(axis, item): (usize, &Value)| match item {
                Value::Array(sides) => match &sides[..] {
                    [begin, end] => {
                        Ok([whole(&format!("{field}[{axis}][0]"), begin)?, whole(&format!("{field}[{axis}][1]"), end)?])
                    }
                    _ => Err(wrong(&format!("{field}[{axis}]"), item, "it must be [begin, end]")),
                },
                _ => Ok([whole(&format!("{field}[{axis}]"), item)?; 2]),
            };
            Ok(Padding::Sides(PerAxis::Each(items.iter().enumerate().map(entry).collect::<Result<_>>()?)))
        }
        Value::String(_) => Err(wrong(field, value, "it must be whole numbers, same or valid")),
        _ => Ok(Padding::Sides(PerAxis::All([whole(field, value)?; 2]))),
    }
}

fn flag(field: &str, value: &Value) -> Result<bool> {
    match (value.as_bool(), value.as_u64()) {
        (Some(flag), _) => Ok(flag),
        (_, Some(bit @ 0..=1)) => Ok(bit == 1),
        _ => Err(wrong(field, value, "it must be true or false")),
    }
}

fn number(field: &str, value: &Value) -> Result<f32> {
    let number = value.as_f64().ok_or_else(|| wrong(field, value, "it must be a finite number"))? as f32;
    if number.is_finite() { Ok(number) } else { Err(wrong(field, value, "it must fit float32")) }
}

/// Lower case with underscores, whatever the spelling.
fn word(field: &str, value: &Value) -> Result<String> {
    let text = value.as_str().ok_or_else(|| wrong(field, value, "it must be a name"))?;
    Ok(text.to_lowercase().replace('-', "_"))
}

fn padding_mode(field: &str, value: &Value) -> Result<PaddingMode> {
    match word(field, value)?.as_str() {
        "zeros" => Ok(PaddingMode::Zeros),
        "reflect" => Ok(PaddingMode::Reflect),
        "replicate" => Ok(PaddingMode::Replicate),
        "circular" => Ok(PaddingMode::Circular),
        _ => Err(wrong(field, value, "it must be zeros, reflect, replicate or circular")),
    }
}

fn order(field: &str, value: &Value) -> Result<ShuffleOrder> {
    match word(field, value)?.as_str() {
        "crd" => Ok(ShuffleOrder::Crd),
        "dcr" => Ok(ShuffleOrder::Dcr),
        _ => Err(wrong(field, value, "it must be CRD or DCR")),
    }
}

/// How many members an object and the objects in it have at most.
fn members(value: &Value) -> Option<usize> {
    let object = value.as_object()?;
    object.values().filter_map(members).chain([object.len()]).max()
}

/// `"relu"`, `"leaky_relu:0.2"` or `{"leaky_relu": {"slope": 0.2}}`.
fn activation(field: &str, value: &Value) -> Result<Activation> {
    const NAMES: &str = "it must be none, relu, relu6, leaky-relu[:slope], silu, hard-swish, gelu or gelu-tanh";
    /// PyTorch's.
    const SLOPE: f32 = 0.01;
    if let (Some(slope), Some(1)) = (value.pointer("/leaky_relu/slope"), members(value)) {
        return Ok(Activation::LeakyRelu { slope: number(&format!("{field}.leaky_relu.slope"), slope)? });
    }
    let text = word(field, value).map_err(|_| wrong(field, value, NAMES))?;
    match text.split_once(':').map_or((text.as_str(), None), |(name, slope)| (name, Some(slope))) {
        ("none" | "identity" | "linear", None) => Ok(Activation::Identity),
        ("relu", None) => Ok(Activation::Relu),
        ("relu6", None) => Ok(Activation::Relu6),
        ("leaky_relu", None) => Ok(Activation::LeakyRelu { slope: SLOPE }),
        ("leaky_relu", Some(slope)) => {
            // The hyphen of a negative slope became an underscore with the others.
            let slope = json_of(Form::Number, &slope.replace('_', "-"));
            Ok(Activation::LeakyRelu { slope: number(&format!("{field} slope"), &slope)? })
        }
        ("silu" | "swish", None) => Ok(Activation::Silu),
        ("hard_swish" | "hardswish", None) => Ok(Activation::HardSwish),
        ("gelu", None) => Ok(Activation::Gelu),
        ("gelu_tanh", None) => Ok(Activation::GeluTanh),
        _ => Err(wrong(field, value, NAMES)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, text: &str) -> Result<Attributes> {
        let mut attributes = Attributes::default();
        let form = ATTRIBUTES.iter().find(|a| a.name == name).unwrap().form;
        attributes.set(name, &json_of(form, text))?;
        Ok(attributes)
    }

    #[test]
    fn command_line_notation() {
        assert_eq!(set("stride", "2").unwrap().stride, Some(PerAxis::All(2)));
        assert_eq!(set("stride", "2,1").unwrap().stride, Some(PerAxis::Each(vec![2, 1])));
        let sides = |sides: &[[usize; 2]]| Some(Padding::Sides(PerAxis::Each(sides.to_vec())));
        assert_eq!(set("padding", "0:1,2:2").unwrap().padding, sides(&[[0, 1], [2, 2]]));
        assert_eq!(set("padding", "1:2").unwrap().padding, sides(&[[1, 2]]));
        assert_eq!(set("padding", "1,2").unwrap().padding, sides(&[[1, 1], [2, 2]]));
        assert_eq!(set("padding", "same").unwrap().padding, Some(Padding::Same));
        assert_eq!(set("p", "2.5").unwrap().p, Some(2.5));
        let slope = |slope| Some(Activation::LeakyRelu { slope });
        assert_eq!(set("activation", "leaky-relu:-1e-2").unwrap().activation, slope(-0.01));
        assert_eq!(set("activation", "hard-swish").unwrap().activation, Some(Activation::HardSwish));
    }

    #[test]
    fn wrong_values_name_their_field() {
        for (name, text, wanted) in [
            ("stride", "-1", "stride = -1: it must not be negative"),
            ("stride", "2,-1", "stride[1] = -1: it must not be negative"),
            ("stride", "1.5", "stride = \"1.5\": it must be a whole number below 2^64"),
            ("stride", "99999999999999999999", "it must be a whole number"),
            ("stride", "1:2", "stride[0] = [1,2]"),
            ("stride", "", "stride = \"\""),
            ("padding", "1:2:3", "padding[0][1] = \"2:3\""),
            ("padding", "full", "same or valid"),
            ("p", "nan", "p = \"nan\": it must be a finite number"),
            ("p", "1e40", "it must fit float32"),
            ("ceil_mode", "maybe", "it must be true or false"),
            ("mode", "abc", "it must be CRD or DCR"),
            ("activation", "tanh", "gelu-tanh"),
            ("activation", "leaky-relu:x", "activation slope = \"x\""),
        ] {
            let error = set(name, text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{name} {text}: {error}");
        }
    }

    #[test]
    fn json_is_no_less_strict() {
        for (name, value, wanted) in [
            ("stride", "2.0", "stride = 2.0: it must be written as a whole number, without point and exponent"),
            ("stride", "[1, 2e0]", "stride[1] = 2.0: it must be written as a whole number"),
            ("stride", "-0", "stride = -0.0: it must be written as a whole number"),
            ("stride", "1.5", "stride = 1.5: it must be a whole number below 2^64"),
            ("stride", "1e300", "it must be a whole number below 2^64"),
            ("stride", "\"2\"", "stride = \"2\": it must be a whole number"),
            ("strides", "2", "strides = 2: no operation has such an attribute; did you mean stride?"),
            ("strides", "null", "strides = null: no operation has such an attribute; did you mean stride?"),
            ("pads", "[1, 1]", "did you mean padding?"),
            ("kernel_shape", "[1, 1]", "did you mean kernel_size?"),
            ("activation", "{\"leaky_relu\": {\"slope\": 0.5, \"slop\": 1}}", "it must be none, relu"),
            ("activation", "{\"leaky_relu\": {\"slope\": 0.5}, \"relu\": 1}", "it must be none, relu"),
        ] {
            let given = serde_json::Map::from_iter([(name.to_string(), serde_json::from_str(value).unwrap())]);
            let error = Attributes::from_json(&given, &["stride", "activation"], "conv2d").unwrap_err().to_string();
            assert!(error.contains(wanted), "{name} {value}: {error}");
        }
        let given =
            serde_json::Map::from_iter([("activation".into(), serde_json::json!({"leaky_relu": {"slope": 0.5}}))]);
        let attributes = Attributes::from_json(&given, &["activation"], "conv2d").unwrap();
        assert_eq!(attributes.activation, Some(Activation::LeakyRelu { slope: 0.5 }));
    }

    #[test]
    fn foreign_attributes_pass_when_they_change_nothing() {
        let parse = |text: &str| {
            let map: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
            Attributes::from_json(&map, &["kernel_size"], "max_pool2d")
        };
        let neutral = r#"{"kernel_size": 2, "groups": 1, "dilation": [1, 1], "padding": [[0, 0]], "p": null}"#;
        assert_eq!(parse(neutral).unwrap().kernel_size, Some(PerAxis::All(2)));
        for wrong in [r#"{"groups": 2}"#, r#"{"dilation": [1, 2]}"#, r#"{"auto_pad": "SAME"}"#, r#"{"p": 2}"#] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
