//! Putting parents before their children, or finding the circle that forbids it. Pure; tasks are places in a list.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The places in an order in which each comes after its `parents`; of those that could come next, the first goes first.
///
/// # Errors
/// The places of a circle: each has the next among its parents, and the last the first.
pub(super) fn sorted(parents: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut children = vec![Vec::new(); parents.len()];
    let mut missing = vec![0_usize; parents.len()];
    for (place, parents) in parents.iter().enumerate() {
        missing[place] = parents.len();
        for parent in parents {
            children[*parent].push(place);
        }
    }
    let mut next: BinaryHeap<Reverse<usize>> =
        (0..parents.len()).filter(|place| missing[*place] == 0).map(Reverse).collect();
    let mut sorted = Vec::with_capacity(parents.len());
    while let Some(Reverse(place)) = next.pop() {
        sorted.push(place);
        for child in &children[place] {
            missing[*child] -= 1;
            if missing[*child] == 0 {
                next.push(Reverse(*child));
            }
        }
    }
    match missing.iter().position(|count| *count > 0) {
        None => Ok(sorted),
        Some(left) => Err(circle(parents, &missing, left)),
    }
}

/// A circle among those that are left, each of which has a parent that is left too: following these must come back.
fn circle(parents: &[Vec<usize>], missing: &[usize], from: usize) -> Vec<usize> {
    let mut path: Vec<usize> = Vec::new();
    let mut reached_as = vec![None; parents.len()];
    let mut here = from;
    loop {
        if let Some(begin) = reached_as[here] {
            return path.split_off(begin);
        }
        reached_as[here] = Some(path.len());
        path.push(here);
        match parents[here].iter().find(|parent| missing[**parent] > 0) {
            Some(parent) => here = *parent,
            None => return path,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parents_come_first_and_otherwise_the_order_stays() {
        assert_eq!(sorted(&[]), Ok(vec![]));
        assert_eq!(sorted(&[vec![], vec![], vec![]]), Ok(vec![0, 1, 2]));
        let diamond = [vec![1, 2], vec![3], vec![3], vec![]];
        assert_eq!(sorted(&diamond), Ok(vec![3, 1, 2, 0]));
        assert_eq!(sorted(&[vec![1, 1], vec![]]), Ok(vec![1, 0]), "a parent that is named twice");
    }

    #[test]
    fn circle_is_found_without_those_that_only_wait_for_it() {
        assert_eq!(sorted(&[vec![0]]), Err(vec![0]));
        let tail = [vec![2], vec![], vec![4, 1], vec![2], vec![3]];
        assert_eq!(sorted(&tail), Err(vec![2, 4, 3]), "the first waits for the circle and is not in it");
    }

    proptest! {
        #[test]
        fn every_graph_is_sorted_or_has_the_circle_that_is_told(
            parents in (1..12_usize)
                .prop_flat_map(|count| prop::collection::vec(prop::collection::vec(0..count, 0..3), count)),
        ) {
            match sorted(&parents) {
                Ok(sorted) => {
                    let place_of = |one: usize| sorted.iter().position(|other| *other == one);
                    prop_assert_eq!(sorted.len(), parents.len());
                    for (child, parents) in parents.iter().enumerate() {
                        prop_assert!(parents.iter().all(|parent| place_of(*parent) < place_of(child)));
                    }
                }
                Err(circle) => {
                    prop_assert!(!circle.is_empty());
                    let next = circle.iter().cycle().skip(1);
                    for (one, next) in circle.iter().zip(next) {
                        prop_assert!(parents[*one].contains(next));
                    }
                }
            }
        }
    }
}
