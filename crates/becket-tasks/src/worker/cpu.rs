//! How busy this process keeps the processors.

use std::thread::available_parallelism;
use std::time::Duration;

/// How long a tick of `/proc` lasts. The kernel's USER_HZ is 100 wherever this program is built for.
const TICK: Duration = Duration::from_millis(10);

/// How many processors this process may use: those of the machine, or the quota of its container.
pub(crate) fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// How much processor time this process has used, all threads together; `None` where the system does not say (only Linux
/// does, in `/proc`). In ticks of 10 ms.
pub(crate) fn time_used() -> Option<Duration> {
    parse(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// Adds `utime` and `stime`, the 14th and 15th field. The second is the program's name in parentheses, which may hold
/// spaces and parentheses itself.
/// Source: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
fn parse(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(11).map(str::parse::<u32>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    TICK.checked_mul(user.checked_add(system)?)
}

/// Which part of its processors the process was busy, from 0 to 1.
pub(crate) fn share(used: Duration, within: Duration, processors: usize) -> f64 {
    let could = within.as_secs_f64() * processors.max(1) as f64;
    if could > 0.0 { (used.as_secs_f64() / could).min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added_whatever_the_program_is_called() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 99 0 0 0 120 30 5 6 20 0 9 0 1 2 3";
        assert_eq!(parse(stat), Some(Duration::from_millis(1_500)));
        for stat in ["", "7 (a) S 1", "7 (a) S 1 7 7 0 -1 4194560 99 0 0 0 x 30 5"] {
            assert_eq!(parse(stat), None, "{stat}");
        }
    }

    #[test]
    fn share_is_of_all_processors() {
        let second = Duration::from_secs(1);
        assert!((share(second, second, 2) - 0.5).abs() < 1e-9);
        assert!((share(4 * second, second, 2) - 1.0).abs() < 1e-9, "ticks are coarse, and more than all is all");
        assert!(share(second, Duration::ZERO, 2).abs() < 1e-9);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_tells_its_time() {
        assert!(time_used().is_some() && processors() > 0);
    }
}
