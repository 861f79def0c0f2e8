//! Which layers: those that `wgconv bench` knows, and a short list of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use wgconv::Problem;

use crate::error::{Error, Result};
use crate::measure::Layer;

/// Short lists: of what a software rasteriser computes in milliseconds, of what a GPU should be given.
const SHORT: [(&str, &str); 2] = [("quick", include_str!("../quick.json")), ("gpu", include_str!("../gpu.json"))];

/// Names in a short list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Short {
    layers: Vec<String>,
    large: Vec<String>,
}

/// As `wgconv bench --list --json` prints it.
#[derive(Debug, Deserialize)]
struct ListedSuite {
    name: String,
    layers: Vec<ListedLayer>,
}

#[derive(Debug, Deserialize)]
struct ListedLayer {
    name: String,
    large: bool,
    problem: Problem,
}

/// What the user asks for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `quick`, `gpu`, `all`, names of suites, or `.json` files.
    pub suites: Vec<String>,
    /// Only layers with one of these in their name.
    pub layers: Vec<String>,
    /// Only these operations.
    pub operations: Vec<String>,
    /// Also what is too much for a software rasteriser.
    pub large: bool,
    /// As `wgconv bench` takes it; empty as the suites say.
    pub batch: String,
}

/// Asks the program `wgconv` for the layers of its suites, and picks. `extra` is the suite of shapes that only this program
/// has.
pub fn layers(wgconv: &Path, extra: &Path, wanted: &Wanted) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for suite in &wanted.suites {
        if let Some((_, text)) = SHORT.into_iter().find(|(name, _)| name == suite) {
            let file = format!("{suite}.json");
            let short: Short = serde_json::from_str(text).map_err(|error| Error::invalid(&file, "built in", error))?;
            let known =
                [listed(wgconv, "all", wanted)?, listed(wgconv, &extra.display().to_string(), wanted)?].concat();
            let large = short.large.iter().filter(|_| wanted.large);
            for name in short.layers.iter().chain(large) {
                let found = known.iter().find(|(layer, _)| layer.name == *name);
                let (layer, _) = found.ok_or_else(|| Error::invalid(&file, name, "no suite has this layer"))?;
                layers.push(layer.clone());
            }
        } else {
            let known = listed(wgconv, suite, wanted)?.into_iter();
            layers.extend(known.filter(|(_, large)| wanted.large || !large).map(|(layer, _)| layer));
        }
    }
    layers.retain(|layer| wanted.takes(layer));
    if layers.is_empty() {
        let hint = if wanted.large { "" } else { " (large ones are left out without --large)" };
        let value = if wanted.layers.is_empty() { &wanted.operations } else { &wanted.layers }.join(",");
        return Err(Error::invalid("--layer, --operation", value, format!("no layer is left{hint}")));
    }
    Ok(layers)
}

impl Wanted {
    fn takes(&self, layer: &Layer) -> bool {
        let contains = |text: &String| layer.name.to_lowercase().contains(&text.to_lowercase());
        let named = self.layers.is_empty() || self.layers.iter().any(contains);
        let operations = [layer.operation(), layer.problem.op_name()];
        named && (self.operations.is_empty() || self.operations.iter().any(|name| operations.contains(name)))
    }
}

fn listed(wgconv: &Path, suite: &str, wanted: &Wanted) -> Result<Vec<(Layer, bool)>> {
    let mut command = Command::new(wgconv);
    command.args(["bench", "--list", "--json", "--large", "--suite", suite]);
    if !wanted.batch.is_empty() {
        command.args(["--batch", &wanted.batch]);
    }
    let run = command.output();
    let output = run.map_err(Error::file(wgconv))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_string();
        return Err(Error::invalid("--suite, --batch", format!("{suite}, {}", wanted.batch), said));
    }
    let suites: Vec<ListedSuite> = serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::invalid("--wgconv", wgconv.display(), format!("it lists no suites: {error}")))?;
    let layer = |suite: &str, layer: ListedLayer| {
        (Layer { name: format!("{suite}/{}", layer.name), problem: layer.problem }, layer.large)
    };
    Ok(suites
        .into_iter()
        .flat_map(|suite| suite.layers.into_iter().map(move |entry| layer(&suite.name, entry)).collect::<Vec<_>>())
        .collect())
}

/// Where the program `wgconv` is, unless the user says so: beside this one.
pub fn beside(this: &Path) -> PathBuf {
    this.with_file_name(format!("wgconv{}", std::env::consts::EXE_SUFFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_lists_name_layers_of_the_suites() {
        let lists = SHORT.map(|(_, text)| serde_json::from_str::<Short>(text).unwrap());
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in lists.iter().flat_map(|list| list.layers.iter().chain(&list.large)) {
            let (suite, layer) = name.split_once('/').unwrap();
            let file = match suite {
                "extra" => root.join("extra.json"),
                _ => root.join(format!("../shapes/{suite}.json")),
            };
            let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(text.contains(&format!("\"name\": \"{layer}\"")), "{name}");
        }
    }

    #[test]
    fn filters() {
        let layer =
            Layer { name: "net/dw".into(), problem: wgconv::Conv::new(1, 8, [9, 9], 8, [3, 3]).groups(8).into() };
        let wanted = |operation: &str| Wanted { operations: vec![operation.into()], ..Wanted::default() };
        assert!(wanted("conv2d").takes(&layer) && wanted("conv2d_depthwise").takes(&layer));
        assert!(!wanted("conv1d").takes(&layer));
        let named =
            |names: &[&str]| Wanted { layers: names.iter().map(ToString::to_string).collect(), ..Wanted::default() };
        assert!(
            named(&["NET/"]).takes(&layer) && named(&["other", "dw"]).takes(&layer) && !named(&["other"]).takes(&layer)
        );
    }
}
