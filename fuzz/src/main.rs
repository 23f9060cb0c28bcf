//! One target, guided by coverage: `scripts/fuzz` builds it, and names the target in `BECKET_FUZZ`.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static FEED: std::sync::LazyLock<becket_fuzz::Feed> = std::sync::LazyLock::new(|| {
        let name = std::env::var("BECKET_FUZZ").unwrap_or_default();
        becket_fuzz::target(&name).unwrap_or_else(|| panic!("BECKET_FUZZ={name} names no target"))
    });
    FEED(data);
});

#[cfg(not(fuzzing))]
#[expect(clippy::print_stderr, reason = "a program's own words")]
fn main() -> std::process::ExitCode {
    eprintln!("this does nothing unless `scripts/fuzz` builds it");
    std::process::ExitCode::FAILURE
}
