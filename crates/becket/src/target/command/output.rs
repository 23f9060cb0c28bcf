//! What a program prints: the beginning is kept, the latest line is told as the task's progress, the rest is read and
//! forgotten, so that the program never waits for us.

use std::sync::{Arc, Mutex, PoisonError};

use becket_tasks::TaskContext;
use becket_tasks::progress::MESSAGE_BYTES_MAX;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::process::End;

/// How much is read at once, in bytes.
const CHUNK: usize = 8 * 1_024;

/// What a program has printed so far.
#[derive(Clone, Debug)]
pub(super) struct Printed(Arc<Mutex<[Stream; 2]>>);

#[derive(Debug, Default)]
struct Stream {
    kept: Vec<u8>,
    is_cut: bool,
}

/// Which of the two outputs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    Stdout = 0,
    Stderr = 1,
}

impl Printed {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Reads an output to its end.
    pub(super) async fn read(
        self,
        which: Which,
        mut from: impl AsyncRead + Unpin,
        bytes_max: usize,
        context: Option<TaskContext>,
    ) {
        let mut chunk = vec![0; CHUNK];
        let mut line = Line::default();
        // An error here means that the program is gone, as its end does.
        while let Ok(read @ 1..) = from.read(&mut chunk).await {
            self.keep(which, &chunk[..read], bytes_max);
            if let (Some(text), Some(context)) = (line.push(&chunk[..read]), &context) {
                context.progress(0, 0, text);
            }
        }
    }

    fn keep(&self, which: Which, bytes: &[u8], bytes_max: usize) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = &mut streams[which as usize];
        let room = bytes_max.saturating_sub(stream.kept.len());
        stream.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        stream.is_cut |= bytes.len() > room;
    }

    /// What is kept of a run.
    pub(super) fn with(&self, end: &End) -> Value {
        let streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [stdout, stderr] = [&streams[0], &streams[1]].map(|stream| String::from_utf8_lossy(&stream.kept));
        let mut result = json!({"stdout": stdout, "stderr": stderr});
        match end {
            End::Exited(code) => result["exit_code"] = (*code).into(),
            End::Signalled(signal) => result["signal"] = (*signal).into(),
            End::TimedOut => result["timed_out"] = true.into(),
            End::Cancelled => result["cancelled"] = true.into(),
        }
        if streams.iter().any(|stream| stream.is_cut) {
            result["truncated"] = true.into();
        }
        result
    }
}

/// The latest line of an output, without what could command a terminal.
#[derive(Debug, Default)]
struct Line {
    unfinished: Vec<u8>,
}

impl Line {
    /// Takes what was printed; the latest line that is whole now, if it says anything.
    fn push(&mut self, bytes: &[u8]) -> Option<String> {
        let mut latest = None;
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let is_whole = part.ends_with(b"\n") || part.ends_with(b"\r");
            let room = MESSAGE_BYTES_MAX.saturating_sub(self.unfinished.len());
            self.unfinished.extend_from_slice(&part[..part.len().min(room)]);
            if is_whole {
                let text = String::from_utf8_lossy(&self.unfinished).replace(char::is_control, " ");
                latest = Some(text.trim().to_owned()).filter(|text| !text.is_empty()).or(latest);
                self.unfinished.clear();
            }
        }
        latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_whole_line_is_told_without_control_characters() {
        let mut line = Line::default();
        assert_eq!(line.push(b"one\ntwo\nthr"), Some("two".to_owned()));
        assert_eq!(line.push(b"ee"), None);
        assert_eq!(line.push(b"\n\n"), Some("three".to_owned()));
        assert_eq!(line.push(b"10%\r20%\r"), Some("20%".to_owned()));
        assert_eq!(line.push(b"\x1b[31mred\x1b[0m\n"), Some("[31mred [0m".to_owned()));
        assert!(line.push(&[b"x".repeat(100_000), b"\n".to_vec()].concat()).unwrap().len() <= MESSAGE_BYTES_MAX);
    }

    #[tokio::test]
    async fn beginning_is_kept_and_all_is_read() {
        let printed = Printed::new();
        let long = "é".repeat(50_000);
        printed.clone().read(Which::Stdout, long.as_bytes(), 1_000, None).await;
        printed.clone().read(Which::Stderr, &b"\xffoops\n"[..], 1_000, None).await;
        let result = printed.with(&End::Exited(3));
        assert_eq!(result["stdout"].as_str().unwrap(), "é".repeat(500));
        assert_eq!(result["stderr"], "\u{fffd}oops\n");
        assert_eq!((&result["exit_code"], &result["truncated"]), (&json!(3), &json!(true)));
    }
}
