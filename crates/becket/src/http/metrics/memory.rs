//! How much memory this process has.

/// Resident memory of this process in bytes; `None` where the system does not say (only Linux does, in `/proc`).
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Reads the line `VmRSS:     12345 kB`, where kB means 1024 bytes.
/// Source: <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_its_line() {
        assert_eq!(parse("Name:\tbecket\nVmHWM:\t  9 kB\nVmRSS:\t   26624 kB\n"), Some(26_624 * 1_024));
        for status in ["", "VmRSS:\t1 MB\n", "VmRSS:\t-1 kB\n"] {
            assert_eq!(parse(status), None, "{status}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_some_memory() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
