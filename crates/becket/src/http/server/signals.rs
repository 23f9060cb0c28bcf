//! The signals that ask a process to end, and the one that asks it to read its configuration again.

use std::io;

/// Listens for SIGTERM and SIGINT (elsewhere than on Unix: Ctrl-C).
///
/// Made before the server says that it is ready, so that no signal is missed.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

/// SIGXFSZ. Left alone it ends a process that writes beyond its file-size limit; once it has a handler, and be it one
/// that nobody listens to, the write fails instead, and the store refuses work until there is room.
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
const FILE_TOO_LARGE: i32 = 25;

#[cfg(unix)]
impl Signals {
    /// # Errors
    /// The system gives no more handlers.
    pub fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
        let _handler = signal(SignalKind::from_raw(FILE_TOO_LARGE))?;
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one; answers its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    /// # Errors
    /// None on this system.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next one; answers its name.
    pub async fn next(&mut self) -> &'static str {
        // Without a console there is nothing to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}

/// Listens for SIGHUP, which asks to read the configuration again. Elsewhere than on Unix it never comes.
///
/// From when it is made SIGHUP no longer ends the process.
#[derive(Debug)]
pub struct Hangups {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl Hangups {
    /// # Errors
    /// The system gives no more handlers.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            hangup: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if self.hangup.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}
