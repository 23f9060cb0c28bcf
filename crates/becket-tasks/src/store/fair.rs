//! Whose turn it is: fair queueing over tenants, decided in one place so that no two stores differ.
//!
//! Start-time fair queueing: each claim moves its tenant's next turn on by one part of its weight, and the earliest turn
//! comes first. A tenant that had nothing to do enters at the present turn: it has saved nothing up, and owes nothing. So
//! however many tasks one tenant has queued, another's next task waits for one turn of each tenant at the most.
//! Pure, without time or randomness. <https://dl.acm.org/doi/10.1145/248157.248171>

use std::collections::HashMap;
use std::sync::Arc;

/// What one claim costs a tenant of weight 1.
const COST: u64 = 1 << 20;
/// So many turns are remembered before those that no longer matter are looked for and forgotten.
const REMEMBERED: usize = 1_024;

/// The turns of all tenants; `None` stands for all tasks without one.
#[derive(Debug, Default)]
pub struct Turns {
    present: u64,
    next: HashMap<Option<Arc<str>>, u64>,
    forget_at: usize,
}

impl Turns {
    /// The turn of the latest claim.
    #[must_use]
    pub const fn present(&self) -> u64 {
        self.present
    }

    /// The turn in which `tenant` is next; never before the present one.
    #[must_use]
    pub fn of(&self, tenant: Option<&Arc<str>>) -> u64 {
        // Only a tenant that was charged is ahead; there is no need to own the name to ask.
        let next = if self.next.is_empty() { None } else { self.next.get(&tenant.cloned()) };
        next.copied().unwrap_or(0).max(self.present)
    }

    /// Notes that a task of `tenant`, which has this weight, was claimed. Answers the turn in which it is next.
    pub fn charge(&mut self, tenant: Option<&Arc<str>>, weight: u32) -> u64 {
        let turn = self.of(tenant);
        self.present = turn;
        let next = turn.saturating_add(COST / u64::from(weight.max(1)));
        self.next.insert(tenant.cloned(), next);
        if self.next.len() > self.forget_at.max(REMEMBERED) {
            // Who is not ahead of the present turn stands where a newcomer does.
            self.next.retain(|_, next| *next > turn);
            self.forget_at = 2 * self.next.len();
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(turns: &mut Turns, backlogged: &[(&str, u32)], claims: usize) -> Vec<String> {
        let mut order = Vec::new();
        for _ in 0..claims {
            let of = |tenant: &str| turns.of(Some(&tenant.into()));
            let (tenant, weight) = backlogged.iter().min_by_key(|(tenant, _)| of(tenant)).unwrap();
            turns.charge(Some(&(*tenant).into()), *weight);
            order.push((*tenant).to_owned());
        }
        order
    }

    #[test]
    fn tenants_take_turns_by_their_weight() {
        let mut turns = Turns::default();
        let order = serve(&mut turns, &[("a", 1), ("b", 3)], 400);
        let of_b = order.iter().filter(|tenant| *tenant == "b").count();
        assert!((299..=301).contains(&of_b), "{of_b} of 400");
    }

    #[test]
    fn newcomer_is_next_however_long_another_was_served() {
        let mut turns = Turns::default();
        serve(&mut turns, &[("hog", 1)], 100_000);
        let order = serve(&mut turns, &[("hog", 1), ("new", 1)], 4);
        assert_eq!(order, ["new", "hog", "new", "hog"]);
    }

    #[test]
    fn who_was_idle_has_saved_nothing_up() {
        let mut turns = Turns::default();
        serve(&mut turns, &[("a", 1), ("b", 1)], 2);
        serve(&mut turns, &[("a", 1)], 1_000);
        let order = serve(&mut turns, &[("a", 1), ("b", 1)], 10);
        assert!(order.iter().filter(|tenant| *tenant == "b").count() <= 6, "{order:?}");
    }

    #[test]
    fn who_is_ahead_stays_so_however_many_are_remembered() {
        let mut turns = Turns::default();
        let tenants: Vec<Arc<str>> = (0..3 * REMEMBERED).map(|number| number.to_string().into()).collect();
        for tenant in &tenants {
            assert_eq!(turns.charge(Some(tenant), 1), COST);
        }
        assert!(tenants.iter().all(|tenant| turns.of(Some(tenant)) == COST));
        assert_eq!(turns.charge(Some(&tenants[0]), 1), 2 * COST);
        assert_eq!(turns.present(), COST);
    }

    #[test]
    fn turns_that_no_longer_matter_are_forgotten() {
        let mut turns = Turns::default();
        for number in 0..100_000 {
            let tenant: Arc<str> = number.to_string().into();
            turns.charge(Some(&tenant), 1);
            turns.charge(None, 1);
        }
        assert!(turns.next.len() < 3 * REMEMBERED, "{}", turns.next.len());
    }
}
