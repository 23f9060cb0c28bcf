//! "Did you mean": the known word nearest to a mistyped one.

/// The candidate that a slip of the keyboard may have meant, if one is near enough.
///
/// Near enough is one slip in three letters: `tokn` is `token`, but `port` is not `path`.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(slips, candidate)| *slips <= candidate.chars().count().min(word.chars().count()) / 3)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Slips between two words: letters added, lost or changed, and neighbours swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let swapped: &Vec<usize> = &before_last;
                best = best.min(swapped[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_keyboard_finds_the_word() {
        let known = ["secret", "secrets", "path", "body_limit", "insecure_accept_unsigned"];
        for (typed, meant) in [
            ("secert", "secret"),
            ("sceret", "secret"),
            ("Secret", "secret"),
            ("body-limit", "body_limit"),
            ("insecure_accept_unsignd", "insecure_accept_unsigned"),
            ("pth", "path"),
        ] {
            assert_eq!(nearest(typed, known), Some(meant), "{typed}");
        }
    }

    #[test]
    fn an_unlike_word_finds_nothing() {
        for typed in ["port", "x", "", "timeout"] {
            assert_eq!(nearest(typed, ["secret", "path", "url"]), None, "{typed}");
        }
    }
}
