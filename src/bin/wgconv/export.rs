//! `wgconv export`: the shaders of a problem for programs without this library. Needs no adapter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgMatches, Args, ValueEnum};
use serde_json::{Value, json};
use wgconv::bench::Pass;
use wgconv::export::{Bundle, INDEX, INDEX_SCHEMA, Language, Settings, expect_folder, export, write_folder};
use wgconv::{Algorithm, Capabilities, Geometry, Options, Problem, candidates};

use crate::backend::{self, Method, Numbers};
use crate::bench;
use crate::console::{say, say_json};
use crate::document;
use crate::failure::{Failure, Result};
use crate::files;
use crate::subject::{DESCRIPTION, SubjectArgs, devices};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv export conv2d --input-shape 1,64,56,56 --c-out 128 --kernel-size 3 --padding 1 --bias --out conv
  wgconv export --layer resnet50/conv1 --algorithm all --languages spirv,hlsl --out conv1
  wgconv export --layer dcnv2/c5_224 --pass backward --header c --out deform
  wgconv export --all mine.json --pass forward,backward --out shaders

Writes a folder with each shader in each language and a manifest.json that says how to bind and dispatch them; \
docs/export.md describes it. With several algorithms, passes or layers every export has a folder of its own, and \
index.json lists them and what was refused. --replace refuses a folder with anything in it that no export of wgconv wrote. Without --device the algorithm is that of a GPU with the limits that \
WebGPU guarantees, and no adapter is opened. The folder appears whole or not at all; the exit code is 3 where a layer \
or pass has no export.")]
pub struct ExportArgs {
    #[command(flatten)]
    subject: SubjectArgs,
    /// Every layer of suites: all, one that `wgconv bench --list` names, or a .json file
    #[arg(long, value_name = "SUITE", conflicts_with_all = DESCRIPTION)]
    #[arg(conflicts_with_all = ["case", "layer", "problem"])]
    all: Option<String>,
    /// forward, backward (every gradient in one plan), grad_input, grad_weight and so on, or all
    #[arg(long, value_name = "PASS", default_value = "forward", value_delimiter = ',')]
    pass: Vec<String>,
    /// auto for the chosen one, all that apply, or one by name
    #[arg(long, value_name = "NAME", default_value = "auto")]
    algorithm: Method,
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write over an export that is there: the files that its manifest or index lists go
    #[arg(long)]
    replace: bool,
    /// wgsl, spirv, msl, hlsl, glsl, glsl-es; without it all that a kernel can be written in
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = language)]
    languages: Vec<Language>,
    /// Also a header for that language
    #[arg(long, value_name = "LANGUAGE")]
    header: Option<Header>,
    /// gpu or cpu for such a device with WebGPU's default limits; auto, a number or a part of a name for an adapter
    #[arg(long, value_name = "DEVICE", default_value = "gpu")]
    device: String,
    /// Other limits than the device's: JSON, or a file with it, of some fields that a manifest has in `capabilities`
    #[arg(long, value_name = "JSON|FILE", value_parser = NonEmptyStringValueParser::new())]
    capabilities: Option<String>,
    #[command(flatten)]
    numbers: Numbers,
    /// Pack weights by steps of their own, where an algorithm can
    #[arg(long)]
    pack_weights: bool,
    /// Declare every storage buffer read-write, for APIs that refuse one buffer bound both ways
    #[arg(long)]
    shared_buffers: bool,
    /// Most bytes of workspace
    #[arg(long, value_name = "BYTES")]
    workspace_limit: Option<u64>,
    /// Shaders that check bounds and bound their loops
    #[arg(long)]
    checks: bool,
    /// Also kernels with cooperative matrices, in SPIR-V alone
    #[arg(long)]
    experimental: bool,
    /// Print what was written in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Header {
    C,
}

fn language(text: &str) -> std::result::Result<Language, String> {
    Language::parse(&text.to_lowercase()).ok_or_else(|| {
        let names = Language::ALL.map(Language::name).join(", ");
        format!("it must be one of {names}")
    })
}

/// A problem to export.
struct Job {
    /// `SUITE/LAYER`, where there are several.
    layer: Option<String>,
    pass: Pass,
    /// Its folder within the export.
    folder: Vec<String>,
    problem: Problem,
}

/// What comes of all jobs.
#[derive(Default)]
struct Outcome {
    files: BTreeMap<String, Vec<u8>>,
    exports: Vec<Value>,
    refused: Vec<Value>,
    /// What has no export, and why.
    failed: Vec<(String, Failure)>,
}

pub fn run(args: &ExportArgs, matches: &ArgMatches) -> Result<()> {
    let capabilities = args.capabilities()?;
    let jobs = args.jobs(matches)?;
    files::expect_no_dash("--out", &args.out)?;
    expect_folder(&args.out, args.replace)?;
    let several = args.all.is_some() || args.algorithm == Method::All || jobs.len() > 1;
    let mut outcome = Outcome::default();
    for job in &jobs {
        outcome.add(args, job, &capabilities)?;
    }
    let Outcome { mut files, exports, refused, failed } = outcome;
    if exports.is_empty()
        && let Some((what, failure)) = failed.first().cloned()
    {
        return Err(if jobs.len() > 1 { failure.of(what) } else { failure });
    }
    let index = json!({"schema": INDEX_SCHEMA, "exports": exports, "refused": refused});
    if several {
        files.insert(INDEX.into(), format!("{index:#}\n").into_bytes());
    }
    write_folder(&args.out, &files, args.replace)?;
    if args.json {
        say_json(&index);
    } else {
        for export in &exports {
            let word = |key: &str| export[key].as_str().unwrap_or_default();
            // Joined with nothing, it would end with a slash.
            let folder: PathBuf = args.out.join(word("folder")).components().collect();
            let counts = format!("{} shaders, {} steps", export["shaders"], export["steps"]);
            say!("{}: {} by {}, {counts}", folder.display(), word("operation"), word("algorithm"));
        }
    }
    match failed.len() {
        0 => Ok(()),
        n => Err(Failure::unsupported(format!("{n} of {} problems have no export: {INDEX} says why", jobs.len()))),
    }
}

impl ExportArgs {
    /// The device that it is for.
    fn capabilities(&self) -> Result<Capabilities> {
        let devices = devices(Some(&self.device))?;
        let (_, device) = devices.first().ok_or_else(|| Failure::device(backend::no_adapter()))?;
        let Some(text) = &self.capabilities else { return Ok(*device) };
        let wrong = |rule: String| Failure::invalid(rule).of("--capabilities");
        let given: Value = match text.trim_start().starts_with('{') {
            true => document::parse(text.as_bytes()).map_err(wrong)?,
            false => document::parse(&files::read(Path::new(text))?).map_err(wrong)?,
        };
        let Value::Object(given) = given else {
            return Err(Failure::invalid("--capabilities: it must be a JSON object"));
        };
        let mut fields = serde_json::to_value(device).map_err(|error| wrong(error.to_string()))?;
        for (name, value) in given {
            fields[&name] = value;
        }
        let capabilities: Capabilities = document::from_value(fields).map_err(wrong)?;
        let alignment = capabilities.storage_alignment;
        if !alignment.is_power_of_two() || alignment < LEAST_ALIGNMENT {
            let rule = format!("it must be a power of two from {LEAST_ALIGNMENT} on");
            return Err(Failure::invalid(format!("storage_alignment = {alignment}: {rule}")));
        }
        Ok(capabilities)
    }

    fn options(&self) -> Options {
        Options {
            pack_weights: self.pack_weights,
            runtime_checks: self.checks,
            shared_buffers: self.shared_buffers,
            workspace_limit: self.workspace_limit,
            ..self.numbers.options()
        }
    }

    fn jobs(&self, matches: &ArgMatches) -> Result<Vec<Job>> {
        let passes = bench::passes(&self.pass)?;
        // With suite and name, where there are several.
        let mut problems: Vec<(Option<[String; 2]>, Geometry)> = Vec::new();
        if let Some(suite) = &self.all {
            self.subject.refuse_attributes(matches)?;
            for layer in bench::every_layer(suite)? {
                problems.push((Some([layer.suite, layer.name]), layer.geometry));
            }
        } else {
            problems.push((None, self.subject.subject(matches)?.geometry));
        }
        let mut jobs: Vec<Job> = Vec::new();
        for (layer, geometry) in problems {
            for &pass in &passes {
                let Some(problem) = pass.of(geometry.problem()) else { continue };
                let layer_folder = layer.iter().flatten().map(|name| folder_name(name));
                let pass_folder = (passes.len() > 1).then(|| pass.as_str().to_string());
                let folder: Vec<String> = layer_folder.chain(pass_folder).collect();
                let same = |other: &Job| other.folder.join("/").eq_ignore_ascii_case(&folder.join("/"));
                if jobs.iter().any(same) {
                    let rule = "another layer has a folder of that name";
                    return Err(Failure::invalid(format!("--all: {}: {rule}", folder.join("/"))));
                }
                let layer = layer.as_ref().map(|names| names.join("/"));
                jobs.push(Job { layer, pass, folder, problem });
            }
        }
        if jobs.is_empty() {
            return Err(Failure::invalid(format!("--pass = {}: no problem here has it", self.pass.join(","))));
        }
        Ok(jobs)
    }
}

/// Kernels that read vec4s need bindings that start at one.
const LEAST_ALIGNMENT: u32 = 16;

/// A name that is one folder everywhere.
fn folder_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.chars().map(safe).collect();
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

impl Outcome {
    fn add(&mut self, args: &ExportArgs, job: &Job, capabilities: &Capabilities) -> Result<()> {
        let options = args.options();
        let geometry = Geometry::new(&job.problem)?;
        let ways: Vec<Options> = match args.algorithm {
            Method::Auto => vec![options],
            Method::One(algorithm) => vec![options.algorithm(algorithm)],
            Method::All => {
                let mut ways = Vec::new();
                for candidate in candidates(&geometry, capabilities, &options) {
                    match candidate.verdict {
                        Ok(_) => ways.push(options.clone().algorithm(candidate.algorithm)),
                        Err(reason) => self.refuse(job, Some(candidate.algorithm.name()), &reason),
                    }
                }
                // Where nothing applies, exporting says why.
                if ways.is_empty() { vec![options] } else { ways }
            }
        };
        let mut failure = None;
        let mut served = false;
        for options in ways {
            let header = args.header.map(|Header::C| job.header_name(args.algorithm, options.algorithm));
            let settings = Settings { languages: args.languages.clone(), header, experimental: args.experimental };
            match export(&job.problem, capabilities, &options, &settings) {
                Ok(bundle) => {
                    self.keep(args, job, &bundle);
                    served = true;
                }
                Err(error) => {
                    let error = Failure::from(error);
                    self.refuse(job, options.algorithm.map(Algorithm::name), &error.message);
                    failure.get_or_insert(error);
                }
            }
        }
        if let Some(failure) = failure
            && !served
        {
            self.failed.push((job.name(), failure));
        }
        Ok(())
    }

    fn refuse(&mut self, job: &Job, algorithm: Option<&str>, reason: &str) {
        self.refused.push(json!({
            "layer": job.layer, "pass": job.pass.as_str(), "algorithm": algorithm, "reason": reason,
        }));
    }

    fn keep(&mut self, args: &ExportArgs, job: &Job, bundle: &Bundle) {
        let manifest = &bundle.manifest;
        let mut folder = job.folder.clone();
        if args.algorithm == Method::All {
            folder.push(manifest.algorithm.name().into());
        }
        for (name, bytes) in &bundle.files {
            let path: Vec<&str> = folder.iter().map(String::as_str).chain([name.as_str()]).collect();
            self.files.insert(path.join("/"), bytes.clone());
        }
        self.exports.push(json!({
            "folder": folder.join("/"), "layer": job.layer, "pass": job.pass.as_str(),
            "operation": manifest.operation, "algorithm": manifest.algorithm, "reason": manifest.reason,
            "shaders": manifest.shaders.len(), "steps": manifest.steps.len(),
            "files": bundle.files.keys().collect::<Vec<_>>(),
        }));
    }
}

impl Job {
    /// What messages call it.
    fn name(&self) -> String {
        let layer = self.layer.clone().unwrap_or_else(|| self.problem.op_name());
        format!("{layer} {}", self.pass.as_str())
    }

    /// What a header and everything in it is called: unlike any other of the export.
    fn header_name(&self, method: Method, algorithm: Option<Algorithm>) -> String {
        let mut words = if self.folder.is_empty() { vec![self.problem.op_name()] } else { self.folder.clone() };
        if self.layer.is_none() && !self.folder.is_empty() {
            words.insert(0, self.problem.op_name());
        }
        if let (Method::All, Some(algorithm)) = (method, algorithm) {
            words.push(algorithm.name().into());
        }
        let safe = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let name: String = words.join("_").chars().map(safe).collect();
        if name.starts_with(|c: char| c.is_ascii_lowercase()) { name } else { format!("layer_{name}") }
    }
}
