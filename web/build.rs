//! Records name the version of wgpu that they were made with: that of the lock file.

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let version = lock.split_once("name = \"wgpu\"\nversion = \"").and_then(|(_, rest)| rest.split_once('"'));
    println!("cargo::rustc-env=WGPU_VERSION={}", version.map_or("unknown", |(version, _)| version));
}
