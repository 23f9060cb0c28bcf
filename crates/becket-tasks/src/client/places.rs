//! What a new task belongs to, and which tasks are as good as it: lane, tenant, limit's key and unique key, as its kind's
//! policy says, where the task itself does not.
//!
//! A payload is looked into once for all tasks of a submission, and only where a policy of theirs wants that.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Client;
use super::policies::Policies;
use crate::error::Result;
use crate::id::SubmissionId;
use crate::naming::{Naming, Subject, look};
use crate::query::SubmissionInfo;
use crate::registry::Policy;
use crate::submission::{NewTask, Submission, Unique};

impl Client {
    /// Places the tasks of a submission.
    pub(crate) fn place(&self, submission: &mut Submission) {
        let Submission { source, event, action, meta, payload, tasks, .. } = submission;
        let policies = self.policies.load();
        let Some(need) = need(&policies, tasks) else { return };
        let json = match need {
            Need::Labels => Bytes::new(),
            Need::Payload => (policies.payload_json)(meta, payload),
        };
        place_all(
            &policies,
            tasks,
            &Subject::new("", Arc::clone(source), Arc::clone(event), action.clone(), json),
            Duration::MAX,
        );
    }

    /// Places tasks that are to be added to a submission; answers whether there is that submission.
    pub(super) async fn place_appended(&self, submission: SubmissionId, tasks: &mut [NewTask]) -> Result<bool> {
        let policies = self.policies.load_full();
        let Some(need) = need(&policies, tasks) else { return Ok(true) };
        let Some(SubmissionInfo { source, event, action, .. }) = self.store.submission(submission).await? else {
            return Ok(false);
        };
        let json = match need {
            Need::Labels => Bytes::new(),
            Need::Payload => match self.store.payload(submission).await? {
                Some(carried) => (policies.payload_json)(&carried.meta, &carried.payload),
                None => return Ok(false),
            },
        };
        // Who runs something again wants it done again: only what has not ended is as good.
        place_all(&policies, tasks, &Subject::new("", source, event, action, json), Duration::ZERO);
        Ok(true)
    }
}

/// What must be known of a submission to place these tasks; `None`: they are placed already.
fn need(policies: &Policies, tasks: &[NewTask]) -> Option<Need> {
    tasks.iter().flat_map(|task| missing(policies, task)).map(Need::of).max()
}

/// The namings that are to give a task what it was not given.
fn missing<'p>(policies: &'p Policies, task: &NewTask) -> impl Iterator<Item = &'p Naming> + use<'p> {
    let policy = policies.get(&task.kind);
    let lane = policy.and_then(|policy| policy.lane.as_ref()).map(|lane| &lane.name);
    let tenant = policy.and_then(|policy| policy.tenant.as_ref());
    let limit_key = policy.and_then(|policy| policy.limit_key.as_ref());
    let unique = policy.and_then(|policy| policy.unique.as_ref()).map(|unique| &unique.name);
    let missing = [
        lane.filter(|_| task.lane.is_none()),
        tenant.filter(|_| task.tenant.is_none()),
        limit_key.filter(|_| task.limit_key.is_none()),
        unique.filter(|_| task.unique.is_none()),
    ];
    missing.into_iter().flatten()
}

/// Places tasks; results that are older than `fresh_max` are as good as none.
fn place_all(policies: &Policies, tasks: &mut [NewTask], submission: &Subject, fresh_max: Duration) {
    let found = look(tasks.iter().flat_map(|task| missing(policies, task)), submission.json());
    for task in tasks {
        let Some(policy) = policies.get(&task.kind) else { continue };
        let Policy { lane, tenant, limit_key, unique, result_ttl, .. } = policy;
        let subject = submission.of_kind(&task.kind);
        let name = |naming: &Naming| naming.name_among(&found, &subject);
        if task.lane.is_none()
            && let Some(lane) = lane
        {
            task.lane = name(&lane.name).map(|name| lane.lane(name));
        }
        if task.tenant.is_none() {
            task.tenant = tenant.as_ref().and_then(name);
        }
        if task.limit_key.is_none() {
            task.limit_key = limit_key.as_ref().and_then(name);
        }
        if task.unique.is_none()
            && let Some(unique) = unique
        {
            // What is kept no longer cannot be fresh.
            let fresh = unique.fresh.min(*result_ttl).min(fresh_max);
            task.unique = name(&unique.name).map(|key| Unique { key, fresh });
        }
    }
}

/// What a naming must know of a submission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Labels,
    Payload,
}

impl Need {
    fn of(naming: &Naming) -> Self {
        if naming.reads_payload() { Self::Payload } else { Self::Labels }
    }
}
