//! What SQLite's errors mean to a caller of the store.

use rusqlite::ErrorCode;

use crate::error::Error;

/// Translates an error of SQLite.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(super) fn failed(error: rusqlite::Error) -> Error {
    let Some(code) = error.sqlite_error_code() else {
        return match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..) => Error::Corrupt(format!("the store is damaged: {error}")),
            _ => Error::Unavailable(error.to_string(), None),
        };
    };
    match code {
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::Corrupt(format!(
            "the store's file is damaged ({error}); stop Becket, keep a copy of the file, and restore a backup or what \
             `sqlite3 FILE .dump` can save"
        )),
        ErrorCode::DiskFull => Error::Unavailable("the disk is full".to_owned(), None),
        _ => Error::Unavailable(error.to_string(), None),
    }
}

/// A value in a row that this program never writes.
pub(super) fn damaged(what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        0,
        rusqlite::types::Type::Integer,
        format!("{what} has a value that no version writes").into(),
    )
}

/// The same error for each caller of one commit: errors cannot be cloned.
pub(super) fn again(error: &Error) -> Error {
    match error {
        Error::Busy => Error::Busy,
        Error::Closed => Error::Closed,
        Error::Locked(text) => Error::Locked(text.clone()),
        Error::Corrupt(text) => Error::Corrupt(text.clone()),
        Error::Invalid(text) => Error::Invalid(text.clone()),
        Error::Unavailable(text, _) => Error::Unavailable(text.clone(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(code: i32) -> Error {
        failed(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
    }

    #[test]
    fn full_disk_is_temporary_and_damage_is_not() {
        assert!(sqlite(rusqlite::ffi::SQLITE_FULL).is_temporary());
        assert!(sqlite(rusqlite::ffi::SQLITE_IOERR).is_temporary());
        assert!(matches!(sqlite(rusqlite::ffi::SQLITE_CORRUPT), Error::Corrupt(_)));
        assert!(matches!(sqlite(rusqlite::ffi::SQLITE_NOTADB), Error::Corrupt(_)));
        assert!(matches!(failed(damaged("x")), Error::Corrupt(_)));
    }
}
