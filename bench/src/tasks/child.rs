//! A leg in a process of its own: this program, started again with an [`Order`] and answering what it [`Measured`].

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::leg::{Measured, Order};

/// The hidden command that carries out an order.
pub const COMMAND: &str = "task-leg";

/// Carries out `order` in a fresh process of the program at `bench`. What it prints as errors is passed through.
pub(super) fn run(bench: &Path, order: &Order) -> Result<Measured> {
    let mut command = Command::new(bench);
    command.arg(COMMAND).arg(serde_json::to_string(order).context("write the order as JSON")?);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("start {}", bench.display()))?;
    ensure!(output.status.success(), "the leg's process failed ({})", output.status);
    serde_json::from_slice(&output.stdout).context("read what the leg's process measured")
}
