//! Legs take turns, round after round; here those that measured the same come together again.

/// The legs of each kind, kinds in the order in which they were first measured.
pub(crate) fn of_each<L>(legs: &[L], is_like: impl Fn(&L, &L) -> bool) -> Vec<Vec<&L>> {
    let mut groups: Vec<Vec<&L>> = Vec::new();
    for leg in legs {
        match groups.iter_mut().find(|group| is_like(group[0], leg)) {
            Some(group) => group.push(leg),
            None => groups.push(vec![leg]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_comes_together_in_the_order_of_the_first() {
        let groups = of_each(&[31, 12, 21, 22, 41], |one, other| one % 10 == other % 10);
        assert_eq!(groups, [vec![&31, &21, &41], vec![&12, &22]]);
    }
}
