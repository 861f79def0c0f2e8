//! The library without a GPU API: what it pulls in, what its rooms know of each other, and a program that plans with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_core_pulls_in_three_crates() {
    let arguments =
        ["tree", "--locked", "--edges", "normal", "--no-default-features", "--depth", "1", "--prefix", "none"];
    let tree = output(Command::new(env!("CARGO")).args(arguments).current_dir(root()));
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, BTreeSet::from(["bytemuck", "half", "thiserror", "wgconv"]));
}

#[test]
fn a_program_plans_without_a_gpu_api() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planner");
    let manifest = root().join("hosts/planner/Cargo.toml");
    let plan = |device: &str| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["run", "--quiet", "--locked", "--manifest-path"]).arg(&manifest).arg("--").arg(device);
        output(command.env("CARGO_TARGET_DIR", &target))
    };
    let gpu = plan("rtx-4090");
    assert!(gpu.contains("conv2d by ") && gpu.contains("conv2d_gradient by "), "{gpu}");
    assert!(gpu.contains("conv_packed_gemm") && gpu.contains("lines of WGSL"), "{gpu}");
    let lavapipe = plan("lavapipe");
    assert!(lavapipe.contains("conv_subgroup"), "{lavapipe}");
}

/// Rooms from the ground floor up: what stands in one line may know each other and everything above that line.
const FLOORS: [&[&str]; 12] = [
    &["algorithm", "capabilities", "error", "geometry", "machine", "memory", "problem", "tensor", "tile"],
    &["options"],
    &["program"],
    &["kernels"],
    &["cost"],
    &["preference"],
    &["lower"],
    &["choose"],
    &["cases", "reference"],
    &["export", "gpu"],
    &["sample", "timing"],
    &["bench", "lab", "tune"],
];

/// The first room that knows wgpu.
const HOST: usize = 9;

fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("readable folder");
        entries.for_each(|entry| sources(&entry.expect("readable folder").path(), found));
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        found.push(path.to_owned());
    }
}

/// The rooms that code names as `crate::ROOM`, also within braces.
fn known(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        // `$crate` of macros, and other crates' names that end alike.
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let end = |c: char| !c.is_alphanumeric() && c != '_';
            rooms.insert(name.trim().split(end).next().unwrap_or_default().to_owned());
        }
    }
    rooms
}

#[test]
fn rooms_know_only_those_below_them() {
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for path in files {
        let inner = path.strip_prefix(root().join("src")).expect("below src");
        let room = inner.iter().next().expect("a name").to_string_lossy().trim_end_matches(".rs").to_owned();
        // The library's front door, and the command line, which is a crate of its own.
        if matches!(room.as_str(), "lib" | "bin") {
            continue;
        }
        let own = floor(&room).unwrap_or_else(|| panic!("{} is in no room that is listed", inner.display()));
        seen.insert(room);
        let text = std::fs::read_to_string(&path).expect("readable file");
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        for other in known(&code) {
            match floor(&other) {
                Some(other_floor) if other_floor > own => {
                    wrong.push(format!("{} knows {other}, which is above it", inner.display()));
                }
                // Items of the library's front door belong to some room: that one is to be named.
                None if other != "Error" => wrong.push(format!("{} names crate::{other}", inner.display())),
                _ => {}
            }
        }
        if own < HOST && code.contains("wgpu::") {
            wrong.push(format!("{} knows wgpu", inner.display()));
        }
    }
    let listed: BTreeSet<String> = FLOORS.iter().copied().flatten().map(|room| room.to_string()).collect();
    assert_eq!(seen, listed);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
