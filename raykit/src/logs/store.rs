//! Two files, each of bounded size: the one that is written, and the one before it. A place in what
//! was ever written is a number of bytes from the beginning; what is too old is gone.

use crate::base::limits::{LOG_FILE_BYTES_MAX, LOG_SESSIONS_KEPT};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Where processes of this user keep what they print.
pub(crate) enum Home {
    /// In this folder, which the user has named. Those above it are his to choose.
    Named(PathBuf),
    /// In `logs` of this folder, which stands where others might have made it first.
    Usual(PathBuf),
}

/// The two files.
pub(crate) struct Store {
    folder: PathBuf,
    file: File,
    /// Where the present file begins, and how long it is.
    base: u64,
    len: u64,
    /// How long the one before it is.
    before: u64,
}

/// A part of what was written.
#[derive(Debug, PartialEq)]
pub(crate) struct Part {
    /// Where it begins.
    pub(crate) start: u64,
    pub(crate) bytes: Vec<u8>,
    /// Where all that was written ends.
    pub(crate) end: u64,
}

const NOW: &str = "out.log";
const BEFORE: &str = "out.log.1";

impl Store {
    /// A new folder for this process, which nobody else may enter. Those of processes that are gone
    /// are removed, but for the latest.
    pub(crate) fn create(home: &Home) -> io::Result<Store> {
        let parent = match home {
            Home::Named(folder) => {
                folder.parent().map_or(Ok(()), private::make_all)?;
                folder.clone()
            }
            Home::Usual(above) => {
                private::folder(above)?;
                above.join("logs")
            }
        };
        private::folder(&parent)?;
        thin(&parent);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_nanos());
        let folder = parent.join(format!("{}-{now}", std::process::id()));
        private::folder(&folder)?;
        let file = private::create(&folder.join(NOW))?;
        Ok(Store { folder, file, base: 0, len: 0, before: 0 })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(NOW)
    }

    /// Writes at the end. Before a file gets too long the next one begins.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.len > 0 && self.len + bytes.len() as u64 > LOG_FILE_BYTES_MAX {
            fs::rename(self.folder.join(NOW), self.folder.join(BEFORE))?;
            self.file = private::create(&self.folder.join(NOW))?;
            (self.base, self.before, self.len) = (self.base + self.len, self.len, 0);
        }
        let written = self.file.write_all(bytes);
        self.len = self.file.stream_position().unwrap_or(self.len + bytes.len() as u64);
        written
    }

    /// What stands from `from` on, at most so many bytes; from the oldest that is there, where
    /// `from` is older.
    pub(crate) fn read(&self, from: u64, bytes: usize) -> io::Result<Part> {
        let (oldest, end) = (self.base - self.before, self.base + self.len);
        let start = from.clamp(oldest, end);
        let mut part = Part { start, bytes: Vec::new(), end };
        if start < self.base {
            let within = start - oldest;
            let most = (self.base - start).min(bytes as u64);
            read_from(&self.folder.join(BEFORE), within, most, &mut part.bytes)?;
        }
        let at = start + part.bytes.len() as u64;
        if at >= self.base && part.bytes.len() < bytes {
            let most = (bytes - part.bytes.len()) as u64;
            read_from(&self.folder.join(NOW), at - self.base, most.min(end - at), &mut part.bytes)?;
        }
        Ok(part)
    }

    /// The last `lines`, of at most so many bytes.
    pub(crate) fn tail(&self, lines: usize, bytes: usize) -> io::Result<Part> {
        let end = self.base + self.len;
        let mut part = self.read(end.saturating_sub(bytes as u64), bytes)?;
        let ends = part.bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
        // The last line ends with one; the one before the first line wanted is cut off.
        let cut = ends.map(|(at, _)| at + 1).nth(lines).unwrap_or(0);
        part.bytes.drain(..cut);
        part.start += cut as u64;
        Ok(part)
    }
}

fn read_from(path: &Path, at: u64, most: u64, into: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    file.take(most).read_to_end(into).map(drop)
}

/// Removes the oldest folders of processes that are gone. So are those that had the number of this
/// one, which has none yet: in a container each new process has the number 1.
fn thin(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    let mut gone: Vec<(u128, PathBuf)> = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((process, at)) = name.split_once('-') else { continue };
        let (Ok(process), Ok(at)) = (process.parse::<u32>(), at.parse::<u128>()) else { continue };
        if process == std::process::id() || private::is_gone(process) {
            gone.push((at, path));
        }
    }
    gone.sort();
    let surplus = gone.len().saturating_sub(LOG_SESSIONS_KEPT);
    for (_, path) in &gone[..surplus] {
        let _ = fs::remove_dir_all(path);
    }
}

#[cfg(unix)]
mod private {
    use rustix::io::Errno;
    use rustix::process::{Pid, geteuid, test_kill_process};
    use std::fs::{DirBuilder, File, OpenOptions, symlink_metadata};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    /// Makes a folder and those above it for this user alone, where there is none.
    pub(super) fn make_all(path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).recursive(true).create(path)
    }

    /// Makes a folder for this user alone, or checks that it is one.
    pub(super) fn folder(path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let found = symlink_metadata(path)?;
        let own = found.uid() == geteuid().as_raw();
        if !found.is_dir() || !own || found.mode() & 0o077 != 0 {
            let text = format!("{} is not a folder of this user alone", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(())
    }

    /// Whether there is no such process.
    pub(super) fn is_gone(process: u32) -> bool {
        let process = i32::try_from(process).ok().and_then(Pid::from_raw);
        process.is_none_or(|process| test_kill_process(process) == Err(Errno::SRCH))
    }

    pub(super) fn create(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }
}

#[cfg(not(unix))]
mod private {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub(super) fn make_all(path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    pub(super) fn folder(path: &Path) -> io::Result<()> {
        make_all(path)
    }

    pub(super) fn is_gone(_: u32) -> bool {
        false
    }

    pub(super) fn create(path: &Path) -> io::Result<File> {
        File::create_new(path)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A folder that goes with the test.
    pub(in super::super) struct Folder(pub(in super::super) PathBuf);

    impl Folder {
        pub(in super::super) fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("raykit-{name}-{}", std::process::id()));
            private::folder(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_follow_one_another_and_stay_within_their_bound() {
        let home = Folder::new("store");
        let mut store = Store::create(&Home::Named(home.0.join("logs"))).unwrap();
        let line = |n: u64| format!("{n:0>999}\n");
        let lines = 3 * LOG_FILE_BYTES_MAX / 1_000;
        for n in 0..lines {
            store.append(line(n).as_bytes()).unwrap();
        }
        let sizes = [NOW, BEFORE].map(|name| fs::metadata(store.folder.join(name)).unwrap().len());
        assert!(sizes.iter().all(|size| *size <= LOG_FILE_BYTES_MAX), "{sizes:?}");
        let part = store.tail(2, 1 << 20).unwrap();
        assert_eq!(part.bytes, [line(lines - 2), line(lines - 1)].concat().as_bytes());
        assert_eq!((part.start, part.end), ((lines - 2) * 1_000, lines * 1_000));
        // From the oldest on, across the end of a file, and nothing twice.
        let mut at = 0;
        let mut all = Vec::new();
        loop {
            let part = store.read(at, 700_001).unwrap();
            assert!(all.is_empty() || part.start == at);
            at = part.start + part.bytes.len() as u64;
            all.extend_from_slice(&part.bytes);
            if at == part.end {
                break;
            }
        }
        assert_eq!(all.len() as u64, sizes[0] + sizes[1]);
        let first = lines - all.len() as u64 / 1_000;
        let whole: String = (first..lines).map(line).collect();
        assert!(all == whole.as_bytes());
    }

    #[test]
    fn old_sessions_go_and_strangers_folders_are_refused() {
        let home = Folder::new("thin");
        let logs = home.0.join("logs");
        private::folder(&logs).unwrap();
        for at in 0..LOG_SESSIONS_KEPT + 5 {
            // No process has the one number, and who had the other is gone.
            let process = if at < 3 { std::process::id() } else { 4_194_305 };
            private::folder(&logs.join(format!("{process}-{at}"))).unwrap();
        }
        fs::write(logs.join("other"), "x").unwrap();
        let _store = Store::create(&Home::Usual(home.0.clone())).unwrap();
        let left = fs::read_dir(&logs).unwrap().count();
        assert_eq!(left, LOG_SESSIONS_KEPT + 2, "the latest, this one, and what is no session");
        assert!(logs.join(format!("4194305-{}", LOG_SESSIONS_KEPT + 4)).exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&logs, fs::Permissions::from_mode(0o755)).unwrap();
            let create = |home: Home| Store::create(&home).map(drop);
            create(Home::Named(logs.clone())).expect_err("others may enter it");
            create(Home::Usual(home.0.clone())).expect_err("others may enter it");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_the_user_names_may_stand_anywhere() {
        use std::os::unix::fs::PermissionsExt;
        let home = Folder::new("named");
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        for open in [0o755, 0o777] {
            mode(&home.0, open).unwrap();
            for name in ["logs", "further/down"] {
                let store = Store::create(&Home::Named(home.0.join(name))).unwrap();
                let folder = store.folder.parent().unwrap();
                assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
            }
            assert!(Store::create(&Home::Usual(home.0.clone())).is_err(), "mode {open:o}");
        }
        mode(&home.0, 0o700).unwrap();
        Store::create(&Home::Usual(home.0.clone())).unwrap();
    }
}
