//! Inputs made of others: cut, joined, doubled, with words in them that mean something to somebody. The same seed gives the
//! same ones.

use fastrand::Rng;

/// The longest input made.
const BYTES_MAX: usize = 64 * 1024;

/// What readers look out for.
const WORDS: [&[u8]; 48] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\n",
    b"\r\n",
    b"\0",
    b"\x1b[31m",
    b"\xff",
    b"\xc3\xa4",
    b"\xe2\x80\xa8",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e308",
    b"1e309",
    b"9223372036854775808",
    b"=",
    b"&",
    b"?",
    b"%",
    b"%00",
    b"%zz",
    b"+",
    b",",
    b".",
    b":",
    b"..",
    b"/",
    b"*",
    b"'",
    b"#",
    b"@",
    b"|",
    b"{{",
    b"}}",
    b"{@event}",
    b"sha256=",
    b"v0=",
    b"t=1,v1=",
    b"whsec_",
    b"10s",
    b"2026-01-01T00:00:00Z",
];

/// A mutation of one of `inputs`, by the next numbers of `rng`.
///
/// # Panics
/// Without any inputs.
pub fn mutated(inputs: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = rng.choice(inputs).cloned().unwrap_or_else(|| panic!("there is nothing to begin with"));
    for _ in 0..rng.usize(1..=6) {
        mutate(&mut input, inputs, rng);
    }
    input.truncate(BYTES_MAX);
    input
}

fn mutate(input: &mut Vec<u8>, inputs: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(0..=input.len());
    match rng.u8(0..9) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.u8(0..8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = rng.u8(..);
            }
        }
        2 | 3 => {
            let word = WORDS[rng.usize(0..WORDS.len())];
            input.splice(at..at, word.iter().copied());
        }
        4 => {
            let end = (at + rng.usize(0..=16)).min(input.len());
            input.drain(at..end);
        }
        5 => {
            let end = (at + rng.usize(0..=64)).min(input.len());
            let part = input[at..end].repeat(rng.usize(1..=8));
            input.splice(at..at, part);
        }
        6 => {
            let other = &inputs[rng.usize(0..inputs.len())];
            let from = rng.usize(0..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        7 => input.truncate(at),
        _ => {
            // Many of one: what is counted, nested or copied too often.
            let word = WORDS[rng.usize(0..WORDS.len())];
            input.splice(at..at, word.repeat(1 << rng.u8(0..11)));
        }
    }
}
