//! Whether the parents that new tasks name can be waited for, decided in one place so that no two stores differ.
//!
//! A parent is a task that was accepted before its child, so following parents only ever leads to smaller ids, and no
//! circle can be closed, be it with lanes in between. Pure: what is stored is asked through arguments.

use crate::error::{Error, Result};
use crate::id::TaskId;
use crate::submission::{NewTask, PARENTS_MAX, Parent, Submission};

/// Checks all parents of one call. `is_kept` tells whether there is such a task, `kept_of` how many tasks are kept of the
/// first submission with this one's source and key, if it is a duplicate.
///
/// # Errors
/// [`Error::Invalid`] when a parent cannot be waited for; whatever the questions fail with.
pub fn check(
    new: &[Submission],
    is_kept: impl Fn(TaskId) -> Result<bool>,
    kept_of: impl Fn(&Submission) -> Result<Option<usize>>,
) -> Result<()> {
    for (place, submission) in new.iter().enumerate() {
        for (number, task) in submission.tasks.iter().enumerate() {
            check_count(task)?;
            for parent in &task.after {
                match *parent {
                    Parent::Task(id) => check_kept(id, &is_kept)?,
                    Parent::Submitted { submission, task } => {
                        if (submission, task) >= (place, number) {
                            return Err(Error::Invalid(format!(
                                "task {number} of submission {place} cannot wait for task {task} of submission \
                                 {submission}, which does not come before it"
                            )));
                        }
                        if task >= tasks_of(new, submission, &kept_of)? {
                            return Err(Error::Invalid(format!(
                                "there is no task {task} of submission {submission} to wait for"
                            )));
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// Checks the parents of tasks that are added to a submission. Those of the same call are named as if they were the
/// only submission of it.
///
/// # Errors
/// As [`check`].
pub fn check_appended(tasks: &[NewTask], is_kept: impl Fn(TaskId) -> Result<bool>) -> Result<()> {
    for (number, task) in tasks.iter().enumerate() {
        check_count(task)?;
        for parent in &task.after {
            match *parent {
                Parent::Task(id) => check_kept(id, &is_kept)?,
                Parent::Submitted { submission: 0, task } if task < number => {}
                Parent::Submitted { .. } => {
                    let why =
                        format!("added task {number} waits for a task that does not come before it in the same call");
                    return Err(Error::Invalid(why));
                }
            }
        }
    }
    Ok(())
}

/// How many tasks the submission at `place` has, or the first one that it is a duplicate of.
fn tasks_of(
    new: &[Submission],
    place: usize,
    kept_of: &impl Fn(&Submission) -> Result<Option<usize>>,
) -> Result<usize> {
    let Some(submission) = new.get(place) else { return Ok(0) };
    if let Some(kept) = kept_of(submission)? {
        return Ok(kept);
    }
    let is_same = |other: &&Submission| {
        other.key.is_some() && (&other.source, &other.key) == (&submission.source, &submission.key)
    };
    Ok(new.iter().find(is_same).unwrap_or(submission).tasks.len())
}

fn check_count(task: &NewTask) -> Result<()> {
    if task.after.len() > PARENTS_MAX {
        let count = task.after.len();
        return Err(Error::Invalid(format!("a task waits for at most {PARENTS_MAX} others, and not for {count}")));
    }
    Ok(())
}

fn check_kept(id: TaskId, is_kept: &impl Fn(TaskId) -> Result<bool>) -> Result<()> {
    if is_kept(id)? { Ok(()) } else { Err(Error::Invalid(format!("there is no task {id} to wait for (any more)"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission(key: Option<&str>, tasks: Vec<NewTask>) -> Submission {
        Submission {
            source: "test".into(),
            event: "event".into(),
            action: None,
            key: key.map(Into::into),
            meta: bytes::Bytes::new(),
            payload: bytes::Bytes::new(),
            tasks,
        }
    }

    fn after(parents: &[(usize, usize)]) -> NewTask {
        let after = parents.iter().map(|(submission, task)| Parent::Submitted { submission: *submission, task: *task });
        NewTask { after: after.collect(), ..NewTask::new("work") }
    }

    fn checked(new: &[Submission]) -> Result<(), String> {
        check(new, |id| Ok(id == TaskId::from_u64(1)), |_| Ok(None)).map_err(|error| error.to_string())
    }

    #[test]
    fn only_tasks_that_come_before_can_be_waited_for() {
        let fan = [
            submission(None, vec![after(&[]), after(&[(0, 0)])]),
            submission(None, vec![after(&[(0, 0), (0, 1)]), after(&[(1, 0)])]),
        ];
        assert_eq!(checked(&fan), Ok(()));
        for (parents, why) in [
            ((0, 0), "task 0 of submission 0 cannot wait for task 0 of submission 0, which does not come before it"),
            ((0, 1), "task 0 of submission 0 cannot wait for task 1 of submission 0, which does not come before it"),
            ((1, 0), "task 0 of submission 0 cannot wait for task 0 of submission 1, which does not come before it"),
        ] {
            let new = [submission(None, vec![after(&[parents]), after(&[])]), submission(None, vec![after(&[])])];
            assert_eq!(checked(&new).unwrap_err(), why);
        }
        let beyond = [submission(None, vec![after(&[])]), submission(None, vec![after(&[(0, 1)])])];
        assert_eq!(checked(&beyond).unwrap_err(), "there is no task 1 of submission 0 to wait for");
    }

    #[test]
    fn tasks_of_a_duplicate_are_those_of_the_first() {
        let child = || submission(None, vec![after(&[(1, 0)])]);
        let twice = |first, second| [submission(Some("k"), first), submission(Some("k"), second), child()];
        assert_eq!(checked(&twice(vec![after(&[])], Vec::new())), Ok(()));
        assert!(checked(&twice(Vec::new(), vec![after(&[])])).is_err());
        let known = check(&twice(vec![after(&[])], Vec::new()), |_| Ok(true), |_| Ok(Some(0)));
        assert!(known.is_err(), "none of its tasks is kept");
    }

    #[test]
    fn parents_must_be_kept_and_few() {
        let with = |after| NewTask { after, ..NewTask::new("work") };
        let known = with(vec![Parent::Task(TaskId::from_u64(1))]);
        let unknown = with(vec![Parent::Task(TaskId::from_u64(2))]);
        let many = with(vec![Parent::Task(TaskId::from_u64(1)); PARENTS_MAX + 1]);
        assert_eq!(checked(&[submission(None, vec![known.clone()])]), Ok(()));
        let is_kept = |id| Ok(id == TaskId::from_u64(1));
        assert!(check_appended(&[known], is_kept).is_ok());
        let as_many_as_may_be = with(vec![Parent::Task(TaskId::from_u64(1)); PARENTS_MAX]);
        assert!(check_appended(&[as_many_as_may_be], is_kept).is_ok());
        for bad in [unknown, many, after(&[(0, 0)])] {
            assert!(check_appended(std::slice::from_ref(&bad), is_kept).is_err());
            assert!(checked(&[submission(None, vec![bad])]).is_err());
        }
        assert!(check_appended(&[after(&[]), after(&[(0, 0)])], is_kept).is_ok());
        assert!(check_appended(&[after(&[]), after(&[(1, 0)])], is_kept).is_err());
        assert!(check_appended(&[after(&[(0, 1)]), after(&[])], is_kept).is_err());
    }
}
