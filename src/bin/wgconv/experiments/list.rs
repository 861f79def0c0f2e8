//! The list of experiments, as data: benches/experiments.json, or a file of one's own. docs/benchmarking.md describes it.

use std::path::Path;

use serde_json::{Map, Value};
use wgconv::bench::Pass;
use wgconv::{Accuracy, Algorithm, Error, Geometry, Options, Problem, Storage, Tile};

use crate::bench::{Batch, layer_of, with_batch};
use crate::document::{self, did_you_mean};
use crate::failure::{Failure, Result};
use crate::files;

/// What is built in.
const BUILT_IN: &str = include_str!("../../../../benches/experiments.json");

/// Two ways to compute one problem, and what is to be learned from their times.
#[derive(Debug, Clone)]
pub struct Experiment {
    pub name: String,
    pub question: String,
    /// `SUITE/LAYER`, where the problem is one.
    pub layer: Option<String>,
    pub pass: Pass,
    /// The pass included.
    pub problem: Problem,
    pub a: Variant,
    pub b: Variant,
}

/// One of the two.
#[derive(Debug, Clone)]
pub struct Variant {
    pub options: Options,
    /// As the list writes them.
    pub text: Map<String, Value>,
}

/// The experiments of a file, or those that are built in. `batch` takes the place of every experiment's own.
pub fn read(path: Option<&Path>, batch: Option<Batch>) -> Result<Vec<Experiment>> {
    match path {
        Some(path) => parse(&files::read(path)?, batch).map_err(|failure| failure.of(path.display())),
        None => parse(BUILT_IN.as_bytes(), batch),
    }
}

fn parse(text: &[u8], batch: Option<Batch>) -> Result<Vec<Experiment>> {
    let value: Value = document::parse(text).map_err(Failure::invalid)?;
    let top = Fields::of("the file", &value, &["experiments"])?;
    let list = top.map.get("experiments").and_then(Value::as_array).filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| top.wrong("experiments", "it must be a list of at least one experiment"))?;
    let mut experiments: Vec<Experiment> = Vec::new();
    for (i, value) in list.iter().enumerate() {
        let path = format!("experiments[{i}]");
        let experiment = experiment(&path, value, batch)?;
        if experiments.iter().any(|other| other.name == experiment.name) {
            return Err(Error::invalid(format!("{path}.name"), experiment.name, "another one has this name").into());
        }
        experiments.push(experiment);
    }
    Ok(experiments)
}

fn experiment(path: &str, value: &Value, batch: Option<Batch>) -> Result<Experiment> {
    let fields = Fields::of(path, value, &["name", "question", "layer", "problem", "batch", "pass", "a", "b"])?;
    let batch = match (batch, fields.map.get("batch")) {
        (Some(batch), _) => batch,
        (None, None) => Batch::Suite,
        (None, Some(value)) => {
            let word = value.as_str().map_or_else(|| value.to_string(), Into::into);
            word.parse().map_err(|rule: String| fields.wrong("batch", &rule))?
        }
    };
    let layer = fields.text("layer")?;
    let forward = match (layer, fields.map.get("problem")) {
        (Some(name), None) => {
            let found = layer_of(name, batch)?;
            found.ok_or_else(|| fields.wrong("layer", "`wgconv bench --list` names them, as resnet50/conv1"))?
        }
        (None, Some(value)) => {
            let problem = document::from_value(value.clone());
            let problem: Problem = problem.map_err(|rule| Failure::invalid(format!("{path}.problem: {rule}")))?;
            let images = if let Batch::Images(images) = batch { Some(images) } else { None };
            Geometry::new(&with_batch(&problem, images)?).map_err(|error| Failure::from(error).of(path))?
        }
        _ => return Err(fields.wrong("layer", "there must be either a layer or a problem")),
    };
    let pass = fields.text("pass")?.unwrap_or("forward");
    let rule = "it must be forward, backward or grad_ and a tensor that the operation has";
    let pass = Pass::parse(pass).ok_or_else(|| fields.wrong("pass", rule))?;
    let problem = pass.of(forward.problem()).ok_or_else(|| fields.wrong("pass", rule))?;
    let needed = |key| fields.text(key)?.ok_or_else(|| fields.wrong(key, "it must be there"));
    let variant = |key: &str| {
        let value = fields.map.get(key).ok_or_else(|| fields.wrong(key, "it must be there, {} for defaults"))?;
        variant(&format!("{path}.{key}"), value, &problem)
    };
    Ok(Experiment {
        name: needed("name")?.into(),
        question: needed("question")?.into(),
        layer: layer.map(Into::into),
        pass,
        a: variant("a")?,
        b: variant("b")?,
        problem,
    })
}

/// What a variant may say; each is a field of [`Options`].
const OPTIONS: [&str; 8] =
    ["algorithm", "accuracy", "storage", "tile", "pack_weights", "runtime_checks", "shared_buffers", "workspace_limit"];

fn variant(path: &str, value: &Value, problem: &Problem) -> Result<Variant> {
    let fields = Fields::of(path, value, &OPTIONS)?;
    let algorithm = fields.named("algorithm", Algorithm::parse, &Algorithm::ALL.map(Algorithm::name))?;
    let options = Options {
        algorithm,
        accuracy: fields.named("accuracy", Accuracy::parse, &Accuracy::ALL.map(Accuracy::name))?.unwrap_or_default(),
        storage: fields.named("storage", Storage::parse, &Storage::ALL.map(Storage::name))?.unwrap_or_default(),
        tile: fields.named("tile", Tile::parse, &Tile::ALL.map(|tile| tile.to_string()))?,
        pack_weights: fields.flag("pack_weights")?,
        runtime_checks: fields.flag("runtime_checks")?,
        shared_buffers: fields.flag("shared_buffers")?,
        workspace_limit: fields.count("workspace_limit")?,
        ..Options::default()
    };
    if let Some(algorithm) = algorithm {
        let has = Algorithm::of(problem);
        if !has.contains(&algorithm) {
            let names: Vec<&str> = has.iter().map(|algorithm| algorithm.name()).collect();
            return Err(fields.wrong("algorithm", &format!("{} has {}", problem.op_name(), names.join(", "))));
        }
        if algorithm.accuracy() > options.accuracy {
            return Err(fields.wrong("algorithm", &format!("it needs accuracy = {}", algorithm.accuracy())));
        }
    }
    Ok(Variant { options, text: fields.map.clone() })
}

/// An object of the file, and where it is.
struct Fields<'a> {
    path: &'a str,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// Refuses fields of other names.
    fn of(path: &'a str, value: &'a Value, known: &[&str]) -> Result<Fields<'a>> {
        let object = || Failure::from(Error::invalid(path, value, "it must be an object"));
        let fields = Fields { path, map: value.as_object().ok_or_else(object)? };
        match fields.map.keys().find(|key| !known.contains(&&***key)) {
            Some(key) => {
                let hint = did_you_mean(key, known.iter().copied());
                Err(fields.wrong(key, &format!("there is no such field; there are {}{hint}", known.join(", "))))
            }
            None => Ok(fields),
        }
    }

    fn wrong(&self, key: &str, rule: &str) -> Failure {
        let value = self.map.get(key).map_or_else(|| "nothing".into(), Value::to_string);
        Error::invalid(format!("{}.{key}", self.path), value, rule).into()
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| self.wrong(key, "it must be a text"));
        self.map.get(key).map(text).transpose()
    }

    fn named<T, N: AsRef<str>>(&self, key: &str, parse: fn(&str) -> Option<T>, names: &[N]) -> Result<Option<T>> {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let rule = || self.wrong(key, &format!("it must be as in {}", names.join(", ")));
        let Some(value) = self.map.get(key) else { return Ok(None) };
        value.as_str().and_then(parse).map(Some).ok_or_else(rule)
    }

    fn flag(&self, key: &str) -> Result<bool> {
        let flag = |value: &Value| value.as_bool().ok_or_else(|| self.wrong(key, "it must be true or false"));
        self.map.get(key).map_or(Ok(false), flag)
    }

    fn count(&self, key: &str) -> Result<Option<u64>> {
        let count = |value: &Value| value.as_u64().ok_or_else(|| self.wrong(key, "it must be a whole number"));
        self.map.get(key).map(count).transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_built_in_list_is_valid_and_asks() {
        for batch in [None, Some(Batch::Images(1))] {
            for experiment in read(None, batch).unwrap() {
                assert!(experiment.question.ends_with('?'), "{}", experiment.name);
                assert_ne!(experiment.a.options, experiment.b.options, "{}", experiment.name);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_value_and_rule() {
        let good = json!({"name": "x", "question": "?", "layer": "resnet50/res3_3x3", "a": {}, "b": {}});
        let with = |key: &str, value: Value| {
            let mut changed = good.clone();
            changed[key] = value;
            json!({"experiments": [changed]}).to_string().into_bytes()
        };
        assert_eq!(parse(&with("batch", json!("gpu")), None).unwrap()[0].problem.batch(), 32);
        assert_eq!(parse(&with("batch", json!(4)), Some(Batch::Images(2))).unwrap()[0].problem.batch(), 2);
        for (key, value, words) in [
            ("colour", json!(1), "experiments[0].colour = 1: there is no such field; there are name"),
            ("layer", json!("lenet/c1"), "experiments[0].layer = \"lenet/c1\": `wgconv bench --list` names them"),
            ("batch", json!(0), "experiments[0].batch = 0: it must be suite, gpu or a number of images"),
            ("pass", json!("grad_offset"), "experiments[0].pass = \"grad_offset\": it must be forward"),
            ("problem", json!({}), "either a layer or a problem"),
            ("question", json!(7), "experiments[0].question = 7: it must be a text"),
            ("a", json!([]), "experiments[0].a = []: it must be an object"),
            ("a", json!({"tiles": 3}), "experiments[0].a.tiles = 3: there is no such field; there are algorithm"),
            ("b", json!({"algorithm": "fast"}), "experiments[0].b.algorithm = \"fast\": it must be as in direct"),
            ("b", json!({"algorithm": "phases"}), "experiments[0].b.algorithm = \"phases\": conv2d has direct"),
            ("b", json!({"algorithm": "winograd-f4"}), "it needs accuracy = relaxed"),
            ("b", json!({"storage": "f64"}), "experiments[0].b.storage = \"f64\": it must be as in f32, f16"),
            ("b", json!({"tile": "3x3"}), "experiments[0].b.tile = \"3x3\": it must be as in 16x16-8x8-k"),
            ("b", json!({"pack_weights": 1}), "experiments[0].b.pack_weights = 1: it must be true or false"),
            ("b", json!({"workspace_limit": -1}), "it must be a whole number"),
        ] {
            let message = parse(&with(key, value), None).unwrap_err().message;
            assert!(message.contains(words), "{message} lacks {words}");
        }
        let message = parse(b"{\"experiments\": []}", None).unwrap_err().message;
        assert_eq!(message, "the file.experiments = []: it must be a list of at least one experiment");
        let twice = json!({"experiments": [good, good]}).to_string();
        let message = parse(twice.as_bytes(), None).unwrap_err().message;
        assert_eq!(message, "experiments[1].name = x: another one has this name");
    }
}
