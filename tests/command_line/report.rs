//! `wgconv report`.

use serde_json::{Value, json};

use crate::support::Sandbox;

/// A row of `suite/LAYER` whose samples lie around `ms`.
fn row(layer: &str, algorithm: &str, ms: f64) -> Value {
    let [low, high] = [0.99 * ms, 1.01 * ms];
    json!({
        "suite": "suite", "layer": layer, "operation": "conv2d", "pass": "forward", "device": "0",
        "algorithm": algorithm, "chosen": true, "element": "f32",
        "problem": {
            "op": "conv", "batch": 1, "c_in": 1, "input": [4, 4], "c_out": 1, "kernel": [3, 3], "stride": [1, 1],
            "padding": [[1, 1], [1, 1]], "dilation": [1, 1], "groups": 1
        },
        "status": "right", "error_over_tolerance": 0.25, "clock": "timestamp", "repeats": 2, "buffer_sets": 3,
        "rounds_ms": [[low, ms], [ms, high]],
        "summary_ms": {
            "min": low, "lower_quartile": ms, "median": ms, "upper_quartile": ms, "max": high, "outliers": 2
        },
        "macs": 144_000, "flops": 288_000, "min_bytes": 164_000, "traffic_bytes": 200_000, "workspace_bytes": 4096,
        "dispatches": 1, "plan_cold_ms": 12.5, "plan_cached_ms": null, "plan_ms": 0.25, "first_run_ms": 3.0,
        "bind_us": 4.0, "encode_us": 0.5, "bound": {"side": "memory", "limit_ms": 0.5 * ms, "fraction": 0.5},
    })
}

fn with(mut row: Value, fields: Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        row[name] = value.clone();
    }
    row
}

fn wrong(layer: &str) -> Value {
    let fields = json!({
        "status": "wrong", "message": "the error is 3.0 of what is allowed", "error_over_tolerance": 3.0,
        "rounds_ms": [], "summary_ms": null, "bound": null,
    });
    with(row(layer, "direct", 1.0), fields)
}

fn record(label: &str, rows: &[Value]) -> Value {
    let peak = |kind: &str, per_second: f64| {
        let mut peak = json!({"kind": kind, "variant": "vec4", "samples_ms": [15.0], "variants": {}});
        peak["per_second"] = json!(per_second);
        peak
    };
    json!({
        "schema": "wgconv-bench/1", "created": "2025-01-31T12:00:00Z", "label": label,
        "software": {"wgconv": "0.1.0", "wgpu": "30.0.1", "commit": "abc1234"},
        "machine": {
            "host": {"os": "Linux", "arch": "x86_64", "processor": "a processor", "processors": 4},
            "load_before": [0.1, 0.1, 0.1], "load_after": [1.0, 0.5, 0.2],
        },
        "settings": {"rounds": 2, "samples": 2, "sample_ms": 20.0, "rotate_bytes": 1 << 28},
        "devices": [{
            "id": "0", "name": "adapter (LLVM)", "backend": "vulkan", "device_type": "Cpu", "driver": "llvmpipe",
            "driver_info": "Mesa", "kernel_class": "cpu", "limits": {}, "features": [], "clock": "timestamp",
            "peaks": [peak("f32_fma", 1e11), peak("read", 1e10), peak("copy", 2e10)],
        }],
        "rows": rows,
    })
}

impl Sandbox {
    fn record(&self, name: &str, record: &Value) {
        self.bytes(name, record.to_string().as_bytes());
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

/// A baseline and what became of it: every verdict occurs.
fn before_and_after() -> [Value; 2] {
    let same = row("same", "direct", 3.0);
    let before = [
        same.clone(),
        row("slows", "direct", 2.0),
        row("speeds", "direct", 2.0),
        row("moves", "direct", 2.0),
        row("breaks", "direct", 2.0),
        wrong("heals"),
        wrong("never"),
        row("gone", "direct", 2.0),
    ];
    let after = [
        same,
        row("slows", "direct", 3.0),
        row("speeds", "direct", 1.0),
        row("moves", "winograd", 1.0),
        wrong("breaks"),
        row("heals", "direct", 2.0),
        wrong("never"),
        row("new", "direct", 2.0),
    ];
    [record("before", &before), record("after", &after)]
}

#[test]
fn every_verdict_is_told_in_json_and_on_the_terminal() {
    let sandbox = Sandbox::new();
    let [before, after] = before_and_after();
    sandbox.record("a.json", &before);
    sandbox.record("b.json", &after);
    let report = sandbox.ok("report a.json b.json --json").json();
    assert_eq!((&report["records"][0]["name"], &report["records"][1]["rows"]["wrong"]), (&json!("before"), &json!(2)));
    let comparison = &report["comparisons"][0];
    let counts = json!({
        "slower": 1, "faster": 2, "no_change": 1, "broken": 1, "fixed": 1, "not_measured": 1, "removed": 1, "added": 1,
    });
    assert_eq!((&comparison["counts"], &comparison["threshold"]), (&counts, &json!(null)));
    assert_eq!(comparison["machine"]["0"], json!({"f32_fma": 1.0, "read": 1.0, "copy": 1.0}));
    let changes = comparison["changes"].as_array().unwrap();
    for (layer, verdict, ratio) in [
        ("same", "no_change", Some(1.0)),
        ("slows", "slower", Some(1.5)),
        ("speeds", "faster", Some(0.5)),
        ("moves", "faster", Some(0.5)),
        ("breaks", "broken", None),
        ("heals", "fixed", None),
        ("never", "not_measured", None),
        ("gone", "removed", None),
        ("new", "added", None),
    ] {
        let change = changes.iter().find(|change| change["layer"] == layer).unwrap();
        assert_eq!((&change["verdict"], change["ratio"].as_f64()), (&json!(verdict), ratio), "{change}");
    }
    let mean = comparison["mean_ratio"].as_f64().unwrap();
    assert!((mean - (1.5_f64 * 0.5 * 0.5).powf(0.25)).abs() < 1e-9, "{mean}");

    let text = sandbox.ok("report a.json b.json").stdout;
    for words in [
        "after against before: 1 broken, 1 slower, 2 faster, 1 fixed, 1 removed, 1 added, 1 not measured, 1 no change",
        "geometric mean of the ratios 0.783",
        "direct -> winograd",
        "warning: 2 of 8 rows are wrong",
        "the machine's own peaks",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_slower_or_broken_row_fails_where_that_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.record("a.json", &record("before", &[row("x", "direct", 2.0), row("y", "direct", 2.0)]));
    sandbox.record("slow.json", &record("slow", &[row("x", "direct", 2.5), row("y", "direct", 2.0)]));
    sandbox.record("broken.json", &record("broken", &[row("x", "direct", 2.0), wrong("y")]));
    let slow = sandbox.run("report a.json slow.json --fail-on-slower --html r.html");
    slow.expect(1);
    assert!(slow.stderr.contains("slow: 1 rows are slower and 0 broken"), "{}", slow.stderr);
    assert!(sandbox.exists("r.html"));
    sandbox.run("report a.json broken.json --fail-on-slower").expect(1);
    sandbox.run("report a.json a.json broken.json --fail-on-slower").expect(1);
    sandbox.ok("report a.json slow.json");
    sandbox.ok("report a.json slow.json --fail-on-slower --threshold 0.3");
    sandbox.ok("report a.json slow.json --fail-on-slower --layer suite/Y");
    sandbox.ok("report slow.json a.json --fail-on-slower");
    sandbox.run("report a.json --fail-on-slower").refused(2, "--fail-on-slower = true: it needs a second record");
}

#[test]
fn equal_records_did_not_change() {
    let sandbox = Sandbox::new();
    sandbox.record("a.json", &record("same", &[row("x", "direct", 2.0), row("y", "direct", 2.0)]));
    let ran = sandbox.ok("report a.json a.json --fail-on-slower");
    let totals = "same (2) against same: 2 no change; geometric mean of the ratios 1.000";
    assert!(ran.stdout.ends_with(&format!("{totals}\n")), "{}", ran.stdout);
}

#[test]
fn a_drift_of_the_machine_widens_the_threshold() {
    let sandbox = Sandbox::new();
    let rows = |ms: f64| [row("x", "direct", ms)];
    sandbox.record("a.json", &record("before", &rows(2.0)));
    let mut after = record("after", &rows(2.4));
    after["devices"][0]["peaks"][0]["per_second"] = json!(0.8e11);
    sandbox.record("alone.json", &after);
    sandbox.run("report a.json alone.json --fail-on-slower").expect(1);
    after["devices"][0]["peaks"][1]["per_second"] = json!(0.8e10);
    sandbox.record("b.json", &after);
    let report = sandbox.ok("report a.json b.json --json --fail-on-slower").json();
    let change = &report["comparisons"][0]["changes"][0];
    assert_eq!(change["verdict"], "no_change");
    assert!((change["threshold"].as_f64().unwrap() - (1.1 * 1.25 - 1.0)).abs() < 1e-9, "{change}");
}

#[test]
fn the_page_has_every_row_and_no_word_of_a_record_becomes_markup() {
    let sandbox = Sandbox::new();
    let hostile = "</script><b>{{script}}\" onload='x'<!--";
    let [mut before, after] = before_and_after();
    before["label"] = json!(hostile);
    before["rows"][0]["layer"] = json!(hostile);
    before["rows"][1]["algorithm"] = json!(hostile);
    before["rows"][5]["message"] = json!(hostile);
    before["devices"][0]["name"] = json!(hostile);
    before["software"]["commit"] = json!(hostile);
    sandbox.record("a.json", &before);
    sandbox.record("b.json", &after);
    let said = sandbox.ok("report a.json b.json --html page.html").stdout;
    assert_eq!(said.lines().count(), 1, "{said}");
    let page = sandbox.text("page.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    assert!(page.contains("&lt;/script&gt;&lt;b&gt;{{script}}&quot; onload=&#39;x&#39;&lt;!--"));
    assert!(!page.contains("</script><b>") && !page.contains("onload='x'<"));
    assert_eq!((page.matches("<script").count(), page.matches("</script>").count()), (2, 2));
    for (start, end) in [("<style>", "</style>"), ("<table", "</table>"), ("<tr", "</tr>"), ("<td", "</td>")] {
        let body = page.rsplit_once("<script>").unwrap().0;
        assert_eq!(body.matches(start).count(), body.matches(end).count(), "{start}");
    }
    for outside in ["http://", "https://", "@import", "url(", " src="] {
        // A name of SVG is no address.
        let page = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!page.contains(outside), "{outside}");
    }
    let (_, table) = page.split_once("<table id=\"all-rows\">").unwrap();
    assert_eq!(table.matches("<tr data-row=").count(), 16);
    // A layer of another name is another row.
    assert_eq!(page.matches("<tr data-rows=").count(), 10);
    for layer in ["slows", "speeds", "moves", "breaks", "heals", "never", "gone", "new"] {
        assert!(table.contains(&format!("<th scope=\"row\">suite/{layer}</th>")), "{layer}");
    }
    for words in ["\u{25b2} slower", "\u{25bc} faster", "not measured", "Geometric mean of the ratios", "2.000"] {
        assert!(page.contains(words), "{words}");
    }

    let (_, data) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    let rows = data["rows"].as_array().unwrap();
    assert_eq!((rows.len(), data["problems"].as_array().unwrap().len()), (16, 1));
    assert_eq!(rows[0]["layer"], format!("suite/{hostile}"));
    assert_eq!(rows[2]["rounds"], json!([[1.98, 2.0], [2.0, 2.02]]));
    assert_eq!((rows[2]["gflops"].as_f64(), &rows[5]["status"]), (Some(0.144), &json!("wrong")));
    assert_eq!(data["series"].as_array().unwrap().len(), 2);
}

#[test]
fn a_single_record_is_not_compared() {
    let sandbox = Sandbox::new();
    let mut busy = record("", &[row("x", "direct", 2.0)]);
    busy["machine"]["load_before"] = json!([3.5, 3.0, 2.0]);
    busy["interrupted"] = json!(true);
    busy["devices"][0]["clock"] = json!("wall");
    sandbox.record("lone.json", &busy);
    let text = sandbox.ok("report lone.json").stdout;
    for words in ["lone (lone.json)", "suite/x", "ended early", "was busy", "wall clock", "commit abc1234", "GFLOP/s"] {
        assert!(text.to_lowercase().contains(&words.to_lowercase()), "{words}: {text}");
    }
    assert_eq!(sandbox.ok("report lone.json --json").json()["comparisons"], json!([]));
    assert_eq!(sandbox.ok("report lone.json --html page.html").stdout, "");
    let page = sandbox.text("page.html");
    assert!(page.contains("The machine was busy") && !page.contains("<table class=\"changes\""));
}

#[test]
fn the_csv_has_a_line_for_each_row_of_all_records() {
    let sandbox = Sandbox::new();
    let quoted = with(row("x", "direct", 2.0), json!({"layer": "a \"b\", c"}));
    sandbox.record("a.json", &record("before", &[quoted, wrong("y")]));
    sandbox.record("b.json", &record("after", &[row("y", "direct", 4.0), row("z", "direct", 1.0)]));
    sandbox.ok("report a.json b.json --csv rows.csv");
    let text = sandbox.text("rows.csv");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    let header: Vec<&str> = lines[0].split(',').collect();
    let help = sandbox.ok("report --help").stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for column in &header {
        assert!(help.contains(column), "{column} is not documented");
    }
    assert!(lines[1].contains(",\"a \"\"b\"\", c\","), "{}", lines[1]);
    let cell = |line: usize, name: &str| {
        let column = header.iter().position(|column| *column == name).unwrap();
        lines[line].split(',').nth(column).unwrap().to_string()
    };
    assert_eq!((cell(2, "status"), cell(2, "median_ms")), ("wrong".into(), String::new()));
    assert_eq!((cell(3, "median_ms"), cell(3, "verdict")), ("4".into(), "fixed".into()));
    assert_eq!((cell(4, "gflops"), cell(4, "verdict")), ("0.288".into(), "added".into()));
    assert_eq!((cell(4, "file"), cell(4, "plan_cached_ms")), ("b.json".into(), String::new()));
}

#[test]
fn rows_are_filtered_before_they_are_compared() {
    let sandbox = Sandbox::new();
    let rows = [
        row("x", "direct", 2.0),
        with(row("x", "direct", 2.0), json!({"pass": "grad_weight", "suite": "other"})),
        with(row("pooled", "direct", 2.0), json!({"operation": "max_pool2d"})),
    ];
    sandbox.record("a.json", &record("a", &rows));
    for (filter, left) in [
        ("--suite other", 1),
        ("--suite suite,other", 3),
        ("--layer POOL", 1),
        ("--operation conv2d", 2),
        ("--operation max-pool2d", 1),
        ("--pass grad_weight", 1),
        ("--pass forward --operation conv2d", 1),
    ] {
        let report = sandbox.ok(&format!("report a.json a.json --json {filter}")).json();
        assert_eq!(report["comparisons"][0]["counts"]["no_change"], left, "{filter}");
    }
    sandbox.run("report a.json --suite none").refused(2, "--suite = none: no row is left");
    sandbox.run("report a.json --pass sideways").refused(2, "--pass = sideways: it must be forward");
    sandbox.run("report a.json --operation conv9d").refused(2, "--operation = conv9d");
}

#[test]
fn what_is_no_record_is_refused_by_file_field_and_rule() {
    let sandbox = Sandbox::new();
    let good = record("good", &[row("x", "direct", 2.0)]);
    sandbox.record("good.json", &good);
    let changed = |pointer: &str, value: Value| {
        let mut record = good.clone();
        *record.pointer_mut(pointer).unwrap() = value;
        record
    };
    for (record, words) in [
        (json!([]), "not a record of `wgconv bench --out`"),
        (json!({"rows": []}), "not a record of `wgconv bench --out`: missing field `schema`"),
        (
            changed("/schema", json!("wgconv-bench/2")),
            "schema = \"wgconv-bench/2\": this version of wgconv reads \"wgconv-bench/1\"",
        ),
        (changed("/schema", json!(1)), "not a record of `wgconv bench --out`: schema: invalid type: integer `1`"),
        (changed("/rows/0/macs", json!(-1)), "rows[0].macs: invalid value: integer `-1`"),
        (changed("/rows/0/pass", json!("sideways")), "rows[0].pass: pass = sideways"),
        (changed("/rows/0/status", json!("fine")), "rows[0].status: unknown variant `fine`"),
        (changed("/rows/0/problem/op", json!("sort")), "rows[0].problem.op: unknown variant `sort`"),
        (changed("/rows/0/device", json!("7")), "rows[0].device = \"7\": no device has this id"),
        (changed("/rows/0/summary_ms", json!(null)), "rows[0].summary_ms = null: a row whose status is right has one"),
        (changed("/rows/0/summary_ms/median", json!(0.0)), "rows[0].summary_ms.median = 0: it must be above 0"),
        (changed("/rows/0/rounds_ms", json!([[1.0], [-1.0]])), "rows[0].rounds_ms[1][0] = -1: it must be above 0"),
        (changed("/devices/0/peaks/0/per_second", json!("fast")), "devices[0].peaks[0].per_second: invalid type"),
        (changed("/settings", json!({})), "settings: missing field `rounds`"),
    ] {
        sandbox.record("bad.json", &record);
        sandbox.run("report good.json bad.json --html p.html --csv p.csv").refused(2, &format!("bad.json: {words}"));
    }
    let text = good.to_string();
    for bytes in [b"".to_vec(), b"\xff{".to_vec(), text.as_bytes()[..text.len() / 2].to_vec(), [b'['; 9999].to_vec()] {
        sandbox.bytes("bad.json", &bytes);
        sandbox.run("report bad.json --html p.html").refused(2, "bad.json: ");
    }
    sandbox.bytes("bad.json", format!("{text}{text}").as_bytes());
    sandbox.run("report bad.json --html p.html").refused(2, "bad.json: ");
    sandbox.run("report none.json --html p.html").refused(2, "none.json: it cannot be read");
    assert!(!sandbox.exists("p.html") && !sandbox.exists("p.csv"));
}

#[test]
fn requests_for_reports_that_make_no_sense_write_nothing() {
    let sandbox = Sandbox::new();
    sandbox.record("a.json", &record("a", &[row("x", "direct", 2.0)]));
    for threshold in ["0", "-0.1", "nan", "inf", "five"] {
        let line = format!("report a.json a.json --html p.html --threshold={threshold}");
        sandbox.run(&line).refused(2, "it must be a finite number above 0");
    }
    sandbox.run("report").refused(2, "FILE.json");
    sandbox.run("report a.json --html a.json").refused(2, "--html = a.json: the file is a record already");
    sandbox
        .run("report a.json --html p.html --csv ./p.html")
        .refused(2, "--csv = ./p.html: the file is --html already");
    sandbox.run("report a.json --html p.html --csv no/p.csv").refused(2, "cannot write no/p.csv");
    assert!(!sandbox.exists("p.html"));
    assert_eq!(sandbox.files("."), ["a.json"]);
}

#[test]
fn a_record_without_rows_is_still_a_page() {
    let sandbox = Sandbox::new();
    sandbox.record("a.json", &record("a", &[]));
    sandbox.ok("report a.json a.json --html p.html --csv p.csv --json");
    assert!(sandbox.text("p.html").contains("No row was measured in both."));
    assert!(sandbox.text("p.csv").starts_with("file,label,"));
}
