//! Lists what the folders hold, so that nobody keeps a list by hand: the launchers of `src/kernels`, and the shaders with the
//! parts that the first line of each, `// needs: ...`, names.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Folders of shaders that are no kernels, and those that hold parts of kernels.
const NO_KERNELS: [&str; 4] = ["bench", "lab", "lib", "tiles"];
const PARTS: [&str; 2] = ["lib", "tiles"];

struct Source {
    path: PathBuf,
    needs: Vec<String>,
}

fn main() -> Result<()> {
    for folder in ["src/kernels", "shaders"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("launchers.rs"), launchers(&root.join("src/kernels"))?)?;
    fs::write(out.join("shaders.rs"), shaders(&root.join("shaders"))?)?;
    Ok(())
}

fn stem(path: &Path) -> Result<String> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    Ok(stem.ok_or_else(|| format!("{}: a file name of Rust identifiers is wanted", path.display()))?.to_owned())
}

/// What a folder holds, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Files of an extension in the folders of `parent`, by stem.
fn files(parent: &Path, extension: &str, wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for folder in entries(parent)? {
        if !folder.is_dir() || !wanted(&stem(&folder)?) {
            continue;
        }
        for path in entries(&folder)? {
            if path.extension().is_some_and(|found| found == extension)
                && let Some(other) = found.insert(stem(&path)?, path.clone())
            {
                return Err(format!("{} and {} have one name", other.display(), path.display()).into());
            }
        }
    }
    Ok(found)
}

/// A module for each launcher, and the kernels that they launch.
fn launchers(kernels: &Path) -> Result<String> {
    let (mut modules, mut list) = (String::new(), String::new());
    for (stem, path) in files(kernels, "rs", |_| true)? {
        writeln!(modules, "#[path = {path:?}]\npub(crate) mod {stem};")?;
        writeln!(list, "    {stem}::KERNELS,")?;
    }
    Ok(format!("{modules}\nconst LAUNCHED: &[&[&crate::program::Kernel]] = &[\n{list}];\n"))
}

/// A static for each part and for each kernel's shader, the latter with all parts that it needs.
fn shaders(shaders: &Path) -> Result<String> {
    let read = |files: BTreeMap<String, PathBuf>| -> Result<BTreeMap<String, Source>> {
        let source = |(stem, path): (String, PathBuf)| Ok((stem, Source { needs: needs(&path)?, path }));
        files.into_iter().map(source).collect()
    };
    let parts = read(files(shaders, "wgsl", |folder| PARTS.contains(&folder))?)?;
    let kernels = read(files(shaders, "wgsl", |folder| !NO_KERNELS.contains(&folder))?)?;
    let mut text = String::new();
    for (stem, part) in &parts {
        writeln!(
            text,
            "pub(crate) static {stem}: ShaderPart = ShaderPart {{ stem: {stem:?}, source: include_str!({:?}) }};",
            part.path
        )?;
    }
    for (stem, kernel) in &kernels {
        let mut needed = Vec::new();
        for need in &kernel.needs {
            resolve(need, &parts, &kernel.path, &mut Vec::new(), &mut needed)?;
        }
        let needed: Vec<String> = needed.iter().map(|part| format!("&{part}")).collect();
        writeln!(
            text,
            "pub(crate) static {stem}: Shader = Shader {{ source: include_str!({:?}), parts: &[{}] }};",
            kernel.path,
            needed.join(", ")
        )?;
    }
    let all: Vec<String> = parts.keys().map(|part| format!("&{part}")).collect();
    writeln!(text, "pub(crate) const PARTS: &[&ShaderPart] = &[{}];", all.join(", "))?;
    Ok(text)
}

/// What the first line of a shader names.
fn needs(path: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(path)?;
    let named = text.lines().next().and_then(|line| line.strip_prefix("// needs: "));
    let named = named.ok_or_else(|| format!("{}: the first line must be `// needs: PART...`", path.display()))?;
    Ok(named.split(' ').filter(|name| *name != "nothing").map(str::to_owned).collect())
}

/// Adds a part behind all that it needs itself.
fn resolve(
    part: &str,
    parts: &BTreeMap<String, Source>,
    user: &Path,
    above: &mut Vec<String>,
    needed: &mut Vec<String>,
) -> Result<()> {
    if needed.iter().any(|other| other == part) {
        return Ok(());
    }
    let source = parts.get(part).ok_or_else(|| format!("{}: needs {part}, which is no part", user.display()))?;
    if above.iter().any(|other| other == part) {
        return Err(format!("{}: {part} needs itself, by way of {}", user.display(), above.join(", ")).into());
    }
    above.push(part.to_owned());
    for need in &source.needs {
        resolve(need, parts, &source.path, above, needed)?;
    }
    above.pop();
    needed.push(part.to_owned());
    Ok(())
}
