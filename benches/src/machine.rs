//! What the figures depend on: the machine, the versions, the day, how busy it was.

use crate::bench::cores;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) memory: String,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) date: String,
    load_before: String,
    load_after: String,
    /// Ray's version, where it ran.
    pub(crate) ray: Option<String>,
}

fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_default().trim().to_owned()
}

/// What follows `key:` in a file of such lines.
fn entry(file: &str, key: &str) -> String {
    let text = read(file);
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix(':'));
    line.unwrap_or("?").trim().to_owned()
}

impl Machine {
    pub(crate) fn look() -> Machine {
        let kib = entry("/proc/meminfo", "MemTotal");
        let kib = kib.split_whitespace().next().and_then(|n| n.parse::<f64>().ok());
        let rustc = Command::new("rustc").arg("-V").output();
        let rustc = rustc.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned());
        Machine {
            cpu: entry("/proc/cpuinfo", "model name"),
            memory: kib.map_or("?".into(), |kib| format!("{:.0} GiB", kib / f64::from(1 << 20))),
            kernel: read("/proc/sys/kernel/osrelease"),
            rustc: rustc.unwrap_or_else(|_| "rustc ?".into()),
            date: today(),
            load_before: load(),
            load_after: String::new(),
            ray: None,
        }
    }

    pub(crate) fn look_again(&mut self) {
        self.load_after = load();
    }

    /// As lines of text.
    pub(crate) fn lines(&self) -> Vec<String> {
        let ray = self.ray.as_deref().unwrap_or("not measured");
        vec![
            format!("machine: {}, {} cores, {}", self.cpu, cores(), self.memory),
            format!("kernel: {}", self.kernel),
            format!(
                "versions: {}, raykit {}, tokio {}, rayon {}, Ray {ray}",
                self.rustc,
                env!("CARGO_PKG_VERSION"),
                locked("tokio"),
                locked("rayon")
            ),
            format!("date: {}", self.date),
            format!("load average before: {}; after: {}", self.load_before, self.load_after),
        ]
    }
}

/// The load averages of 1, 5 and 15 minutes.
fn load() -> String {
    read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The version of a dependency that this program was built with.
fn locked(name: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let entry =
        lock.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{name}\"")));
    let version = entry.and_then(|entry| entry.split("version = \"").nth(1));
    version.and_then(|rest| rest.split('"').next()).unwrap_or("?")
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = civil((since.as_secs() / 86_400) as i64);
    format!("{year}-{month:02}-{day:02}")
}

/// The date that is so many days after 1970-01-01 (Howard Hinnant's method).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_versions() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert!(locked("tokio").starts_with("1."));
        assert_eq!(locked("no such crate"), "?");
    }
}
