//! Files that hold secrets: for their owner alone, and refused where they were not.

use crate::object::{Error, ErrorKind, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Writes a new file that its owner alone may read. A file that is there already is left alone.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private::creating(&mut options);
    let mut file = options.open(path).map_err(|error| failed("write", path, &error))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|error| failed("write", path, &error))
}

/// Puts `bytes` in the place of a private file: who reads it sees the old ones or the new ones.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    // What a crash has left of an earlier attempt.
    let _ = fs::remove_file(&beside);
    create(&beside, bytes)?;
    fs::rename(&beside, path).map_err(|error| failed("replace", path, &error))
}

/// The bytes of a private file, at most `bytes_max`. Refused where it is not a plain file of this
/// user's that nobody else may read.
pub(super) fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true);
    private::opening(&mut options);
    let file = options.open(path).map_err(|error| failed("read", path, &error))?;
    check(&file, path, false)?;
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed("read", path, &error))?;
    if bytes.len() > bytes_max {
        return Err(refused(path, "is longer than such a file can be"));
    }
    Ok(bytes)
}

/// Makes `path` a folder that its owner alone may enter, or checks that it is one.
pub(super) fn folder(path: &Path) -> Result<PathBuf> {
    match private::make_folder(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(failed("make", path, &error));
        }
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.read(true);
    private::opening(&mut options);
    let file = options.open(path).map_err(|error| failed("read", path, &error))?;
    check(&file, path, true)?;
    Ok(path.to_owned())
}

fn check(file: &File, path: &Path, folder: bool) -> Result<()> {
    let metadata = file.metadata().map_err(|error| failed("read", path, &error))?;
    match (folder, metadata.is_dir(), metadata.is_file()) {
        (true, false, _) => return Err(refused(path, "is not a folder")),
        (false, _, false) => return Err(refused(path, "is not a plain file")),
        _ => {}
    }
    private::check(&metadata).map_err(|why| refused(path, &why))
}

fn failed(verb: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {verb} {}: {error}", path.display()))
}

fn refused(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{} is refused: it {why}", path.display()))
}

#[cfg(unix)]
mod private {
    use rustix::fs::OFlags;
    use std::fs::{DirBuilder, Metadata, OpenOptions};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    pub(super) fn creating(options: &mut OpenOptions) {
        options.mode(0o600);
        opening(options);
    }

    /// A link at the path is not followed, and a pipe there is not waited for.
    pub(super) fn opening(options: &mut OpenOptions) {
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    }

    pub(super) fn make_folder(path: &Path) -> std::io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    pub(super) fn check(metadata: &Metadata) -> Result<(), String> {
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err("belongs to another user".into());
        }
        match metadata.mode() & 0o077 {
            0 => Ok(()),
            _ => Err(format!(
                "is open to others (mode {:o}); `chmod go= ` closes it",
                metadata.mode() & 0o777
            )),
        }
    }
}

/// Elsewhere the folder that the user keeps such files in has to see to it.
#[cfg(not(unix))]
mod private {
    use std::fs::{Metadata, OpenOptions};
    use std::path::Path;

    pub(super) fn creating(_: &mut OpenOptions) {}
    pub(super) fn opening(_: &mut OpenOptions) {}
    pub(super) fn make_folder(path: &Path) -> std::io::Result<()> {
        std::fs::create_dir(path)
    }
    pub(super) fn check(_: &Metadata) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_private_file_stays_private() {
        let home = crate::net::tests::Folder::new("files");
        let folder = folder(&home.path.join("keys")).unwrap();
        let path = folder.join("key");
        create(&path, b"one").unwrap();
        assert!(create(&path, b"two").is_err(), "it is there already");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        replace(&path, b"three").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"three");
        assert!(read(&path, 4).unwrap_err().message().contains("longer"));

        let link = folder.join("link");
        symlink(&path, &link).unwrap();
        assert!(read(&link, 9).is_err(), "links are not followed");
        assert!(read(&folder, 9).unwrap_err().message().contains("plain file"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read(&path, 9).unwrap_err().message().contains("mode 640"));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(super::folder(&folder).unwrap_err().message().contains("open to others"));
    }
}
