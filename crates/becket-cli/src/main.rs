//! The program `becket`: a webhook server, and the commands that talk to one.
//!
//! This file starts the runtime, calls the command that was asked for and turns its end into an exit code: 0 when all
//! went well, 2 for a configuration or arguments that make no sense, 1 for everything else.
//!
//! What a server does is the library's business ([`becket::App`]). Here are only arguments, the HTTP client of the admin
//! API, and what people see on a terminal.

mod api;
mod bulk;
mod cli;
mod complaint;
mod completions;
mod config;
mod deliveries;
mod demo;
mod latency;
mod logging;
mod output;
mod pauses;
mod routes;
mod samples;
mod schedules;
mod secrets;
mod send;
mod sender;
mod serve;
mod sse;
mod targets;
mod tasks;

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use becket::StartError;
use clap::Parser as _;

use crate::cli::{Cli, Command};

/// Many small allocations from many threads: measured against the system's, it saves CPU per delivery.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Cli { command, json } = Cli::parse();
    match run(command, json) {
        Ok(code) => code,
        // Whoever read our output has seen enough: `becket tasks list | head`.
        Err(error) if is_closed_output(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&error, json);
            ExitCode::from(code_of(&error))
        }
    }
}

fn run(command: Command, json: bool) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let ended = runtime.block_on(dispatch(command, json));
    // Whatever still runs has been given its time; a resolver that hangs must not keep the program from ending.
    runtime.shutdown_background();
    ended
}

async fn dispatch(command: Command, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::run(args, json).await,
        Command::Demo(args) => demo::run(args, json).await,
        Command::Send(args) => send::run(args, json).await,
        Command::Tasks(args) => tasks::run(args, json).await,
        Command::Deliveries(args) => deliveries::run(args, json).await,
        Command::Pause(args) => pauses::pause(args, json).await,
        Command::Resume(args) => pauses::resume(args, json).await,
        Command::Pauses(args) => pauses::list(&args, json).await,
        Command::Schedules(args) => schedules::run(args, json).await,
        Command::Routes(args) => routes::run(args, json),
        Command::Targets(args) => targets::run(args, json).await,
        Command::Secrets(args) => secrets::run(args, json).await,
        Command::Config(args) => config::run(args, json).await,
        Command::Completions { shell } => completions::run(shell),
    }
}

fn code_of(error: &anyhow::Error) -> u8 {
    let bad_configuration = error.is::<becket::config::Errors>()
        || matches!(error.downcast_ref::<StartError>(), Some(StartError::Mistakes(_)));
    if bad_configuration { 2 } else { 1 }
}

fn is_closed_output(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
