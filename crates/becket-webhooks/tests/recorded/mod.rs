//! Other people's recordings, in the folder named by `BECKET_FIXTURES`. They are not part of this repository.

use std::path::PathBuf;

/// Reads one file; a test that needs it fails without it.
pub(crate) fn read(path: &str) -> Vec<u8> {
    let folder = std::env::var_os("BECKET_FIXTURES")
        .expect("BECKET_FIXTURES is not set: run scripts/test, which finds the recorded payloads");
    let path = PathBuf::from(folder).join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}
