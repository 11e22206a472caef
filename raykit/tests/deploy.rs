//! The files in `deploy/`: systemd and Kubernetes would take them, a node takes the flags that they
//! give it, and the chapter shows them as they are.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "common/yaml.rs"]
mod yaml;

use clap::{Args as _, FromArgMatches as _};
use raykit::NodeArgs;
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = "/usr/local/bin/my_program";
const UNITS: [&str; 2] = ["raykit-head.service", "raykit-worker.service"];

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The values of a key in a unit.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// A node would take these words after `worker`.
fn is_a_node<'a>(words: impl IntoIterator<Item = &'a str>) {
    let mut words = words.into_iter();
    assert_eq!(words.next(), Some("worker"));
    let command = NodeArgs::augment_args(clap::Command::new("worker").no_binary_name(true));
    let matches = command.try_get_matches_from(words).unwrap();
    NodeArgs::from_arg_matches(&matches).unwrap();
}

/// The manager waits for longer than a node may take to leave: what it runs and what it closes have
/// the grace each.
fn is_patient(grace_ms: u64, stops_after_s: u64) {
    assert!(stops_after_s * 1_000 > 2 * grace_ms, "{stops_after_s} s for {grace_ms} ms");
}

#[test]
fn a_node_takes_the_flags_of_the_units() {
    for name in UNITS {
        let unit = read(name);
        let start = values(&unit, "ExecStart")[0].strip_prefix(PROGRAM).unwrap();
        is_a_node(start.split_whitespace());
    }
    let worker = read(UNITS[1]);
    let grace = values(&worker, "Environment=RAYKIT_GRACE_MS")[0].parse().unwrap();
    is_patient(grace, values(&worker, "TimeoutStopSec")[0].parse().unwrap());
}

#[test]
fn systemd_takes_the_units() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("units");
    fs::create_dir_all(&folder).unwrap();
    let own = std::env::current_exe().unwrap(); // it looks whether the program is there
    for name in UNITS {
        let path = folder.join(name);
        fs::write(&path, read(name).replace(PROGRAM, own.to_str().unwrap())).unwrap();
        let output = match Command::new("systemd-analyze").arg("verify").arg(&path).output() {
            Ok(output) => output,
            Err(error) => {
                // Past the capture of what tests print.
                let _ = writeln!(std::io::stderr(), "left out: systemd-analyze: {error}");
                return;
            }
        };
        // A key that it does not know is a warning to it, as are faults of other units.
        let said = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<_> = said.lines().filter(|line| line.contains(name)).collect();
        assert!(output.status.success() && ours.is_empty(), "{said}");
    }
}

#[test]
fn the_chapter_shows_the_files() {
    let chapter = include_str!("../docs/deploy.md");
    for name in [UNITS[0], UNITS[1], "kubernetes.yaml"] {
        assert!(chapter.contains(&format!("\n{}```\n", read(name))), "{name} is another one there");
    }
}

fn manifest() -> Vec<Value> {
    yaml::documents(&read("kubernetes.yaml"))
}

#[test]
fn kubernetes_takes_the_manifest() {
    let schema: Value = serde_json::from_str(&read("kubernetes.schema.json")).unwrap();
    for document in manifest() {
        check(&schema, &schema, &document, "").unwrap();
    }
    for (pointer, wrong) in [
        ("/spec/replicas", Value::from("3")),
        ("/spec/template/spec/containers/0/image", Value::Null),
        ("/spec/template/spec/containers/0/env/0", serde_json::json!({ "nmae": "X" })),
        ("/kind", Value::from("Deployment")),
    ] {
        let mut worker = manifest().remove(2);
        *worker.pointer_mut(pointer).unwrap() = wrong;
        check(&schema, &schema, &worker, "").unwrap_err();
    }
}

/// Whether `value` is as `schema` says, of which `whole` has the definitions.
fn check(whole: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let wrong = |why: &Value| Err(format!("{at}: {value} is not as it should be: {why}"));
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$schema" | "$comment" | "$defs" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                check(whole, whole.pointer(pointer).unwrap(), value, at)?;
            }
            "oneOf" => {
                let each = rule.as_array().unwrap().iter();
                let found: Vec<_> = each.map(|one| check(whole, one, value, at)).collect();
                if found.iter().filter(|one| one.is_ok()).count() != 1 {
                    return Err(format!("{found:?}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => return wrong(rule),
            "minimum" if value.as_i64() < rule.as_i64() => return wrong(rule),
            "maximum" if value.as_i64() > rule.as_i64() => return wrong(rule),
            "enum" | "minimum" | "maximum" => {}
            "type" => {
                let found = match value {
                    Value::Object(_) => "object",
                    Value::Array(_) => "array",
                    Value::String(_) => "string",
                    Value::Bool(_) => "boolean",
                    Value::Number(number) if number.is_i64() => "integer",
                    Value::Number(_) | Value::Null => "something else",
                };
                if rule != found {
                    return wrong(rule);
                }
            }
            "required" => {
                let missing = |name: &&Value| value.get(name.as_str().unwrap()).is_none();
                if let Some(name) = rule.as_array().unwrap().iter().find(missing) {
                    return wrong(name);
                }
            }
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(whole, rule, item, &format!("{at}/{n}"))?;
                }
            }
            "properties" | "additionalProperties" => {} // below, together
            other => panic!("`{other}` is not checked"),
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(rule), _) => check(whole, rule, inner, &at)?,
            (None, Some(Value::Bool(false))) => {
                return Err(format!("{at}: there is no such field"));
            }
            (None, Some(rule)) => check(whole, rule, inner, &at)?,
            (None, None) => {}
        }
    }
    Ok(())
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{pointer} of {value}"))
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What a node prints is kept below `/tmp`, or where a variable says: in a volume that can be
/// written, as the rest cannot be. Not where it is mounted: that folder is no user's alone.
fn can_write_logs(container: &Value) -> bool {
    let named = items(container, "/env").iter().find(|one| one["name"] == "RAYKIT_LOG_FOLDER");
    let folder = Path::new(named.map_or("/tmp/raykit-1000/logs", |one| text(one, "/value")));
    items(container, "/volumeMounts").iter().any(|mount| {
        let at = Path::new(text(mount, "/mountPath"));
        folder.starts_with(at) && folder != at && mount["readOnly"] != true
    })
}

/// What the schema does not say: names that lead somewhere, flags, ports, and pauses.
#[test]
fn the_parts_of_the_manifest_fit_together() {
    let [service, head, worker] = manifest().try_into().unwrap();
    let name = text(&service, "/metadata/name");
    for set in [&head, &worker] {
        assert_eq!(text(set, "/spec/serviceName"), name);
        let labels = &set["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels, &set["spec"]["selector"]["matchLabels"]);
        for (key, value) in service["spec"]["selector"].as_object().unwrap() {
            assert_eq!(labels.get(key), Some(value));
        }
        let pod = &set["spec"]["template"]["spec"];
        assert_eq!(text(pod, "/containers/0/command/0"), PROGRAM);
        is_a_node(items(pod, "/containers/0/args").iter().map(|word| word.as_str().unwrap()));
        let volumes: Vec<&str> = items(pod, "/volumes").iter().map(|v| text(v, "/name")).collect();
        for container in items(pod, "/containers").iter().chain(items(pod, "/initContainers")) {
            for mount in items(container, "/volumeMounts") {
                assert!(volumes.contains(&text(mount, "/name")), "{mount}");
            }
        }
        assert!(can_write_logs(&pod["containers"][0]), "{pod}");
    }
    let pod = &worker["spec"]["template"]["spec"];
    let variable = |name: &str| {
        let all = items(pod, "/containers/0/env").iter();
        all.clone().find(|one| text(one, "/name") == name).unwrap()
    };
    let grace = text(variable("RAYKIT_GRACE_MS"), "/value").parse().unwrap();
    is_patient(grace, pod["terminationGracePeriodSeconds"].as_u64().unwrap());
    let secret = text(&head, "/spec/template/spec/volumes/0/secret/secretName");
    assert_eq!(text(variable("RAYKIT_TOKEN"), "/valueFrom/secretKeyRef/name"), secret);

    let args = |set: &Value| items(set, "/spec/template/spec/containers/0/args").to_vec();
    let port = service["spec"]["ports"][0]["port"].as_u64().unwrap();
    let join = format!("--join={}-0.{name}:{port}", text(&head, "/metadata/name"));
    assert!(args(&worker).contains(&join.into()), "{worker}");
    assert!(args(&head).contains(&format!("--listen=0.0.0.0:{port}").into()), "{head}");
    // QUIC, and the socket that shows a node's head that the node's process lives.
    for (at, protocol) in ["UDP", "TCP"].into_iter().enumerate() {
        let outside = &service["spec"]["ports"][at];
        let inside = &head["spec"]["template"]["spec"]["containers"][0]["ports"][at];
        assert_eq!((&outside["port"], &inside["containerPort"]), (&port.into(), &port.into()));
        assert_eq!(
            (&outside["protocol"], &inside["protocol"]),
            (&protocol.into(), &protocol.into())
        );
    }
}
