//! A folder to work in, the program to run there, and files to feed it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// A temporary folder that commands run in.
pub struct Sandbox {
    folder: tempfile::TempDir,
}

/// What a command did.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    command: String,
}

impl Sandbox {
    pub fn new() -> Self {
        Sandbox { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgconv"));
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    /// Runs a command line, split at blanks.
    pub fn run(&self, line: &str) -> Ran {
        self.run_with(line, &[])
    }

    pub fn run_with(&self, line: &str, environment: &[(&str, &str)]) -> Ran {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let output = self.command(&arguments).envs(environment.iter().copied()).output().unwrap();
        Ran::new(line, &output)
    }

    /// Runs a command line that must succeed.
    pub fn ok(&self, line: &str) -> Ran {
        let ran = self.run(line);
        ran.expect(0);
        ran
    }

    pub fn npy(&self, name: &str, shape: &[usize], data: &[f32]) {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        self.bytes(name, &npy("<f4", shape, &data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()));
    }

    /// Values 1, 2, 3, ... modulo 11, less 5.
    pub fn ramp(&self, name: &str, shape: &[usize]) {
        let data: Vec<f32> = (1..=shape.iter().product()).map(|i| (i % 11) as f32 - 5.0).collect();
        self.npy(name, shape, &data);
    }

    pub fn bytes(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn case(&self, name: &str, description: &Value) {
        self.bytes(&format!("{name}/case.json"), description.to_string().as_bytes());
    }

    /// Shape and values of a float32 file.
    pub fn read(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let (descr, shape, data) = parse_npy(&fs::read(self.path(name)).unwrap());
        assert_eq!(descr, "<f4");
        (shape, data.chunks(4).map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect())
    }

    /// Shape and values of an int64 file.
    pub fn read_i64(&self, name: &str) -> (Vec<usize>, Vec<i64>) {
        let (descr, shape, data) = parse_npy(&fs::read(self.path(name)).unwrap());
        assert_eq!(descr, "<i8");
        (shape, data.chunks(8).map(|word| i64::from_le_bytes(word.try_into().unwrap())).collect())
    }

    /// Names of the files in a folder, sorted.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    pub fn exists(&self, name: &str) -> bool {
        Path::exists(&self.path(name))
    }
}

impl Ran {
    pub fn new(command: &str, output: &Output) -> Self {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            command: command.into(),
        }
    }

    pub fn expect(&self, code: i32) {
        let Ran { command, stdout, stderr, .. } = self;
        assert_eq!(self.code, Some(code), "wgconv {command}\nstdout: {stdout}\nstderr: {stderr}");
    }

    /// Refused with one sentence that has these words in it, and nothing on stdout.
    pub fn refused(&self, code: i32, words: &str) {
        self.expect(code);
        let Ran { command, stdout, stderr, .. } = self;
        assert_eq!(stdout, "", "wgconv {command}");
        let own: Vec<&str> = stderr.lines().filter(|line| line.starts_with("wgconv: ")).collect();
        assert!(own.len() == 1 && own[0].contains(words), "wgconv {command}\nstderr: {stderr}\nwanted: {words}");
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Bytes of a .npy file.
pub fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let extents: String = shape.iter().map(|extent| format!("{extent},")).collect();
    npy_with_header(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}\n"), data)
}

pub fn npy_with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

/// Type, shape and data of a .npy file that the program wrote.
fn parse_npy(bytes: &[u8]) -> (String, Vec<usize>, Vec<u8>) {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let end = 10 + usize::from(bytes[8]) + 256 * usize::from(bytes[9]);
    assert_eq!(end % 64, 0, "data is aligned");
    let header = std::str::from_utf8(&bytes[10..end]).unwrap();
    let descr = header.split('\'').nth(3).unwrap();
    let (_, shape) = header.split_once('(').unwrap();
    let (shape, _) = shape.split_once(')').unwrap();
    let shape = shape.split(',').filter_map(|extent| extent.trim().parse().ok()).collect();
    (descr.into(), shape, bytes[end..].to_vec())
}

/// A conv2d case with the answer that it expects.
pub fn small_case(sandbox: &Sandbox, name: &str, expected: &[f32]) {
    sandbox.npy(&format!("{name}/input.npy"), &[1, 1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    sandbox.npy(&format!("{name}/weight.npy"), &[1, 1, 2, 2], &[1.0, 0.0, 0.0, -1.0]);
    sandbox.npy(&format!("{name}/output.npy"), &[1, 1, 1, 2], expected);
    sandbox.case(
        name,
        &json!({
            "format": 1, "id": name, "op": "conv2d", "attrs": {"stride": [1, 1]},
            "inputs": {"input": "input.npy", "weight": "weight.npy"}, "outputs": {"output": "output.npy"},
            "tolerance": {"output": {"exact": true, "atol": 0.0, "rtol": 0.0}},
        }),
    );
}

/// An environment in which no adapter is found.
pub const NO_ADAPTERS: [(&str, &str); 1] = [("WGPU_BACKEND", if cfg!(windows) { "metal" } else { "dx12" })];
