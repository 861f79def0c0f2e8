//! The pages of docs/: every link and anchor leads somewhere, the summary lists every page, and every command that a page
//! shows prints what the page says.
//!
//! A fenced block `console` holds lines `$ wgconv ...`, each followed by its output, stdout and then stderr; `...` stands
//! for any number of lines. A page's commands run in one folder, in which the page's JSON examples are case folders,
//! `PAGE_0`, `PAGE_1` and so on. Commands that are not to be run stand in blocks `text`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Markdown file of a folder and the folders in it.
fn pages_in(folder: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages.extend(pages_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

/// The lines outside of fenced blocks.
fn prose(text: &str) -> Vec<&str> {
    let mut fenced = false;
    text.lines()
        .filter(|line| {
            let is_fence = line.trim_start().starts_with("```");
            fenced ^= is_fence;
            !fenced && !is_fence
        })
        .collect()
}

/// What GitHub and mdBook make of a heading.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let slug = slug(line.trim_start_matches('#'));
            let count = counts.entry(slug.clone()).or_default();
            *count += 1;
            if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
        })
        .collect()
}

/// Targets of inline links and images; code is no link.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Pieces at odd places lie between backticks.
    let without_code: String =
        prose(text).join("\n").split('`').enumerate().filter(|(i, _)| i % 2 == 0).map(|(_, piece)| piece).collect();
    for piece in without_code.split("](").skip(1) {
        let target = piece.split(')').next().unwrap_or_default();
        found.push(target.split_whitespace().next().unwrap_or_default().to_string());
    }
    found
}

/// Without `.` and `..`, so that it can be compared.
fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                tidied.pop();
            }
            Component::CurDir => {}
            part => tidied.push(part),
        }
    }
    tidied
}

#[test]
fn every_link_and_anchor_leads_somewhere() {
    if root().join(".cargo_vcs_info.json").exists() {
        eprintln!("NOT TESTED: a published package leaves out projects that pages link to");
        return;
    }
    let mut pages = pages_in(&root().join("docs"));
    pages.extend(
        ["README.md", "CHANGELOG.md", "tools/README.md", "benches/shapes/README.md"].map(|page| root().join(page)),
    );
    let (mut count, mut broken) = (0, Vec::new());
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for link in links(&text) {
            if link.starts_with("http://") || link.starts_with("https://") {
                continue;
            }
            count += 1;
            let (file, anchor) = link.split_once('#').map_or((&*link, None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { page.clone() } else { tidy(&page.parent().unwrap().join(file)) };
            let leads = match anchor {
                _ if !target.exists() => false,
                Some(anchor) => anchors(&fs::read_to_string(&target).unwrap_or_default()).contains(anchor),
                None => true,
            };
            if !leads {
                broken.push(format!("{}: {link}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(count > 150, "{count} links");
}

#[test]
fn links_and_anchors_are_found_in_text_and_not_in_code() {
    let text = "# A `b` c\n## Winograd, F(2x2)\n[x](y.md#z) `[no](no.md)`\n```text\n[no](no.md)\n# no\n```\n![p](q.svg)\n# A b c\n";
    assert_eq!(links(text), ["y.md#z", "q.svg"]);
    let expected: BTreeSet<String> = ["a-b-c", "winograd-f2x2", "a-b-c-1"].map(String::from).into();
    assert_eq!(anchors(text), expected);
}

#[test]
fn the_summary_lists_every_page_once() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let listed = links(&summary);
    let unique: BTreeSet<PathBuf> = listed.iter().map(|link| docs.join(link)).collect();
    assert_eq!(unique.len(), listed.len(), "a page is listed twice");
    let pages: BTreeSet<PathBuf> = pages_in(&docs).into_iter().filter(|page| !page.ends_with("SUMMARY.md")).collect();
    assert_eq!(unique, pages);
    let book = fs::read_to_string(root().join("book.toml")).unwrap();
    assert!(book.contains("src = \"docs\""), "{book}");
}

/// Commands with the lines that they must print.
fn commands(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(info) => inside = !inside && info == "console",
            None if !inside => {}
            None => match (line.strip_prefix("$ "), found.last_mut()) {
                (Some(command), _) => found.push((command.into(), Vec::new())),
                (None, Some((_, output))) => output.push(line.trim_end().into()),
                (None, None) => panic!("a block begins with {line:?} instead of a command"),
            },
        }
    }
    found
}

/// Whether lines are as expected, where `...` stands for any number of them.
fn matches(expected: &[String], got: &[&str]) -> bool {
    match expected.split_first() {
        None => got.is_empty(),
        Some((first, rest)) if first == "..." => (0..=got.len()).any(|skipped| matches(rest, &got[skipped..])),
        Some((first, rest)) => got.split_first().is_some_and(|(line, others)| line == first && matches(rest, others)),
    }
}

#[test]
fn dots_stand_for_any_number_of_lines() {
    let matches = |expected: &str, got: &str| {
        let expected: Vec<String> = expected.split_whitespace().map(Into::into).collect();
        matches(&expected, &got.split_whitespace().collect::<Vec<_>>())
    };
    assert!(matches("a b", "a b") && matches("...", "") && matches("... b ...", "a b c d") && matches("a ...", "a"));
    assert!(!matches("a b", "a") && !matches("a", "a b") && !matches("... b", "a") && !matches("a ... c", "a b"));
}

/// Writes the JSON examples of a page that say which operation they are of as case folders that demand every number.
fn write_examples(folder: &Path, stem: &str, text: &str) {
    let blocks = text.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    let parsed = blocks.filter_map(|block| serde_json::from_str::<Map<String, Value>>(block).ok());
    let examples = parsed.filter(|example| example.contains_key("op") && example.contains_key("shape"));
    for (i, mut example) in examples.enumerate() {
        let case = folder.join(format!("{stem}_{i}"));
        fs::create_dir(&case).unwrap();
        let (op, shapes) = (example.remove("op").unwrap(), example.remove("shape").unwrap());
        let (mut inputs, mut outputs, mut tolerance) = (Map::new(), Map::new(), Map::new());
        for (name, shape) in shapes.as_object().unwrap() {
            let extents: Vec<u64> = shape.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            let numbers = example.remove(name).unwrap_or_else(|| panic!("{stem}: {name} has no numbers"));
            let bytes: Vec<u8> =
                numbers.as_array().unwrap().iter().flat_map(|x| (x.as_f64().unwrap() as f32).to_le_bytes()).collect();
            assert_eq!(bytes.len() as u64, 4 * extents.iter().product::<u64>(), "{stem}_{i}: {name}");
            let extents: String = extents.iter().map(|extent| format!("{extent},")).collect();
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({extents}), }}\n");
            let mut npy = b"\x93NUMPY\x01\x00".to_vec();
            npy.extend((header.len() as u16).to_le_bytes());
            npy.extend(header.bytes().chain(bytes));
            let file = format!("{name}.npy");
            fs::write(case.join(&file), npy).unwrap();
            let is_output =
                name == "output" || name == "indices" || (name.starts_with("grad_") && name != "grad_output");
            if is_output {
                tolerance.insert(name.clone(), json!({"exact": true}));
                outputs.insert(name.clone(), json!(file));
            } else {
                inputs.insert(name.clone(), json!(file));
            }
        }
        let described =
            json!({"op": op, "attrs": example, "inputs": inputs, "outputs": outputs, "tolerance": tolerance});
        fs::write(case.join("case.json"), described.to_string()).unwrap();
    }
}

#[test]
fn every_command_prints_what_its_page_says() {
    let mut run = 0;
    let mut wrong = Vec::new();
    for page in pages_in(&root().join("docs")) {
        let text = fs::read_to_string(&page).unwrap();
        let commands = commands(&text);
        if commands.is_empty() {
            continue;
        }
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        let folder = tempfile::tempdir().unwrap();
        write_examples(folder.path(), &page.file_stem().unwrap().to_string_lossy(), &text);
        for (command, expected) in commands {
            let arguments = command.strip_prefix("wgconv ").unwrap_or_else(|| panic!("{name}: {command}: not wgconv"));
            let mut program = Command::new(env!("CARGO_BIN_EXE_wgconv"));
            let output = program.current_dir(folder.path()).args(arguments.split_whitespace()).output().unwrap();
            let said =
                [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
            let got: Vec<&str> = said.lines().map(str::trim_end).collect();
            assert!(expected.iter().any(|line| line != "..."), "{name}: {command}: it says nothing of the output");
            if !matches(&expected, &got) {
                wrong.push(format!("{name}: $ {command}\n{}\ninstead of\n{}", got.join("\n"), expected.join("\n")));
            }
            run += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(run >= 50, "{run} commands");
}
