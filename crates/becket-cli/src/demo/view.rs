//! The live view: three lines that renew themselves on a terminal, one plain line a second elsewhere.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use becket_tasks::State;
use becket_tasks::query::Counts;
use indicatif::ProgressBar;

use super::tally::Tally;
use crate::output;

/// How often a plain line is written.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// The first line: how far posting has come. The second and third: `acknowledged` and `tasks`.
const TEMPLATE: &str = "{bar:40} {pos}/{len} posted\n{prefix}\n{msg}";

/// The live view.
pub(super) struct View {
    started: Instant,
    /// How many were acknowledged, and when that last changed: the rate is that of the time until then.
    answered: (usize, Duration),
    screen: Screen,
}

enum Screen {
    Terminal(ProgressBar),
    Lines { last: Option<Instant>, written: String },
}

impl View {
    /// A view of so many deliveries.
    pub(super) fn new(count: usize) -> Self {
        let screen = if io::stderr().is_terminal() {
            Screen::Terminal(output::styled(ProgressBar::new(count as u64), TEMPLATE))
        } else {
            Screen::Lines { last: None, written: String::new() }
        };
        Self { started: Instant::now(), answered: (0, Duration::ZERO), screen }
    }

    /// Shows how things are.
    pub(super) fn show(&mut self, tally: &Tally, counts: &Counts) {
        let elapsed = self.started.elapsed();
        if self.answered.0 != tally.acknowledged.len() {
            self.answered = (tally.acknowledged.len(), elapsed);
        }
        let (acknowledged, tasks) = (acknowledged(tally, self.answered.1), tasks(counts));
        match &mut self.screen {
            Screen::Terminal(bar) => {
                bar.set_position(tally.posted as u64);
                bar.set_prefix(acknowledged);
                bar.set_message(tasks);
            }
            Screen::Lines { last, written } => {
                *written = format!("{:5.1} s  {acknowledged}  |  {tasks}", elapsed.as_secs_f64());
                if last.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                    *last = Some(Instant::now());
                    output::note(std::mem::take(written));
                }
            }
        }
    }

    /// Leaves the last view standing.
    pub(super) fn finish(self) {
        match self.screen {
            Screen::Terminal(bar) => bar.abandon(),
            Screen::Lines { written, .. } if !written.is_empty() => output::note(written),
            Screen::Lines { .. } => {}
        }
    }
}

fn acknowledged(tally: &Tally, within: Duration) -> String {
    let answered = tally.acknowledged.len();
    let rate = answered as f64 / within.as_secs_f64().max(0.001);
    let (p50, p99) = (tally.latencies.percentile_ms(0.5), tally.latencies.percentile_ms(0.99));
    let errors = match tally.errors.len() {
        0 => String::new(),
        count => format!("  errors {count}"),
    };
    format!("acknowledged {answered} ({rate:.0}/s)  p50 {p50:.2} ms  p99 {p99:.2} ms{errors}")
}

fn tasks(counts: &Counts) -> String {
    let words = State::ALL.iter().map(|state| format!("{state} {}", counts.of(*state)));
    words.collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressStyle;

    use super::*;

    #[test]
    fn lines_say_acknowledgements_latency_and_states() {
        let mut tally = Tally::default();
        tally.acknowledged.insert("a".to_owned(), Vec::new());
        tally.latencies.add(Duration::from_micros(1_500));
        let line = acknowledged(&tally, Duration::from_millis(500));
        assert_eq!(line, "acknowledged 1 (2/s)  p50 1.50 ms  p99 1.50 ms");
        let mut counts = Counts::default();
        counts.by_state[0] = 7;
        assert!(tasks(&counts).starts_with(&format!("{} 7  ", State::ALL[0])));
    }

    #[test]
    fn template_is_one() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
