//! What the tasks carry: JSON of about 1 KB, made before the clock starts.
//!
//! Three short fields and a text of random letters and digits. The store compresses the payloads of one commit together;
//! of these `zstd -1` saves 28 %, which is less than it saves of most real arguments.

use bytes::Bytes;
use serde_json::json;

/// How many different ones there are: more than the store compresses together.
const VARIANTS: usize = 1_024;
/// Length of each as JSON.
pub(super) const BYTES: usize = 1_000;
const SEED: u64 = 0xbec4e7;

/// The arguments of all tasks, handed out in turn.
#[derive(Debug)]
pub(super) struct Arguments(Vec<Bytes>);

impl Arguments {
    pub(super) fn new() -> Self {
        let mut random = fastrand::Rng::with_seed(SEED);
        Self((0..VARIANTS).map(|_| variant(&mut random)).collect())
    }

    pub(super) fn of(&self, number: u64) -> Bytes {
        self.0[(number % VARIANTS as u64) as usize].clone()
    }
}

fn variant(random: &mut fastrand::Rng) -> Bytes {
    let mut word = |length: usize| -> String { (0..length).map(|_| random.alphanumeric()).collect() };
    let (repository, actor, sha) = (format!("{}/{}", word(8), word(12)), word(10), word(40));
    let with = |text: String| json!({"repository": repository, "actor": actor, "sha": sha, "text": text}).to_string();
    let frame = with(String::new()).len();
    with(word(BYTES - frame)).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn all_are_json_of_one_length_and_differ() {
        let arguments = Arguments::new();
        for number in 0..VARIANTS as u64 {
            let bytes = arguments.of(number);
            assert_eq!(bytes.len(), BYTES);
            assert!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap().is_object());
        }
        assert_eq!(arguments.0.iter().collect::<HashSet<_>>().len(), VARIANTS);
    }
}
