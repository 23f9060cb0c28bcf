//! What is outdated: looked for by a reader, all at once, and removed by the writer, slice by slice.
//!
//! The search walks tables, so it is done where nobody waits for it. An index for it would cost every task that ends and
//! every submission more than the search does (measured: a quarter of a claim and its end). The writer looks again at
//! each thing before it believes that it is outdated.

use rusqlite::{Connection, params};

use super::SqliteStore;
use super::change::WorkerNumber;
use super::command::Command;
use super::failure::failed;
use super::rows::{place, sql, submission_id, unsigned};
use crate::error::Result;
use crate::id::{IdGenerator, SubmissionId, TaskId};
use crate::query::{Pruned, Retention};
use crate::state::State;
use crate::time::Timestamp;

/// How much of each kind one search finds at the most.
const FOUND_MAX: usize = 2_000;
/// How much of each kind the writer removes at once; some 20 µs for each task with its submission.
const SLICE: usize = 250;
/// So many of the latest names of workers are kept, also when no attempt tells of them.
const WORKERS_KEPT: i64 = 1_000;
/// Ids are as old as what they name, but for a clock that was set back: by up to this long, what is old is found.
const CLOCK_SET_BACK: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);

/// No child that has not ended may ask for the task any more.
const UNWANTED: &str = "NOT EXISTS (SELECT 1 FROM families f INDEXED BY families_parent CROSS JOIN tasks c \
                        ON c.id = f.child WHERE f.parent = tasks.id AND c.state IN (0, 1, 2, 6))";

/// What a reader found to be outdated.
#[derive(Default)]
pub(super) struct Outdated {
    /// With the time of their latest change, by which one that moved on meanwhile is known.
    pub(super) tasks: Vec<(TaskId, Timestamp)>,
    pub(super) submissions: Vec<SubmissionId>,
    pub(super) results: Vec<TaskId>,
    /// Names of workers that no row refers to.
    pub(super) workers: Vec<WorkerNumber>,
    pub(super) more: bool,
}

impl SqliteStore {
    pub(super) async fn prune_outdated(&self, retention: Retention) -> Result<Pruned> {
        let now = self.clock.now();
        let outdated = self.readers.ask(move |reader| search(&reader.connection, retention, now)).await?;
        let mut all = Pruned { more: outdated.more, ..Pruned::default() };
        for slice in outdated.slices() {
            match self.ask_patiently(|reply| Command::Prune(retention, slice, reply)).await {
                Ok(pruned) => {
                    all.tasks += pruned.tasks;
                    all.submissions += pruned.submissions;
                    all.results += pruned.results;
                }
                // What was removed is said; the next call says why there is more.
                Err(_) if all.tasks + all.submissions + all.results > 0 => return Ok(Pruned { more: true, ..all }),
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}

impl Outdated {
    /// In slices that do not keep the writer for long; at least one.
    fn slices(self) -> impl Iterator<Item = Self> {
        let longest = self.tasks.len().max(self.submissions.len()).max(self.results.len()).max(self.workers.len());
        (0..longest.div_ceil(SLICE).max(1)).map(move |number| Self {
            tasks: nth_slice(&self.tasks, number),
            submissions: nth_slice(&self.submissions, number),
            results: nth_slice(&self.results, number),
            workers: nth_slice(&self.workers, number),
            more: false,
        })
    }
}

fn nth_slice<T: Copy>(all: &[T], number: usize) -> Vec<T> {
    all.iter().skip(number * SLICE).take(SLICE).copied().collect()
}

fn search(connection: &Connection, retention: Retention, now: Timestamp) -> Result<Outdated> {
    let oldest_kept = now.before(retention.age);
    let mut outdated = Outdated::default();
    let results = "SELECT task, expires_at FROM results WHERE expires_at <= ?1 ORDER BY task LIMIT ?2";
    let results = found(connection, results, now.as_millis(), FOUND_MAX, &mut outdated.more)?;
    outdated.results = results.into_iter().map(|(task, _)| TaskId::from_u64(task)).collect();
    outdated.tasks = tasks(connection, retention, oldest_kept, &mut outdated.more)?;
    // The submissions of these tasks go with them; others can wait until no tasks are left to be removed.
    if !outdated.more {
        outdated.submissions = submissions(connection, oldest_kept, &mut outdated.more)?;
        outdated.workers = workers(connection)?;
    }
    Ok(outdated)
}

/// Both rules remove the oldest, counted from their end: what is too old, and what is too many.
fn tasks(
    connection: &Connection,
    retention: Retention,
    oldest_kept: Timestamp,
    more: &mut bool,
) -> Result<Vec<(TaskId, Timestamp)>> {
    let too_old = format!(
        "SELECT id, updated_at FROM tasks WHERE id < {} AND state BETWEEN 3 AND 5 AND updated_at < ?1 \
         AND {UNWANTED} ORDER BY updated_at, id LIMIT ?2",
        first_id_after(oldest_kept)
    );
    let mut tasks = found(connection, &too_old, oldest_kept.as_millis(), FOUND_MAX, more)?;
    let too_many = finished(&super::read::totals(connection)?).saturating_sub(retention.finished_max);
    if too_many > tasks.len() as u64 {
        *more |= too_many > FOUND_MAX as u64;
        let limit = usize::try_from(too_many).unwrap_or(FOUND_MAX).min(FOUND_MAX);
        let oldest = format!(
            "SELECT id, updated_at FROM tasks WHERE state BETWEEN 3 AND 5 AND updated_at < ?1 AND {UNWANTED} \
             ORDER BY updated_at, id LIMIT ?2"
        );
        tasks = found(connection, &oldest, i64::MAX, limit, &mut false)?;
    }
    Ok(tasks.into_iter().map(|(id, updated_at)| (TaskId::from_u64(id), Timestamp::from_millis(updated_at))).collect())
}

/// How many tasks are finished, of the totals by state.
pub(super) fn finished(totals: &[u64; State::ALL.len()]) -> u64 {
    State::ALL.iter().filter(|state| state.is_finished()).map(|state| totals[place(*state)]).sum()
}

/// Submissions that have no tasks (any more).
fn submissions(connection: &Connection, oldest_kept: Timestamp, more: &mut bool) -> Result<Vec<SubmissionId>> {
    // The tasks of a submission have the ids between its own and the next submission's; others are in `appended`.
    let without_tasks = format!(
        "SELECT s.id, s.received_at FROM submissions s WHERE s.id < {} AND s.received_at < ?1 \
         AND NOT EXISTS (SELECT 1 FROM appended WHERE submission = s.id) \
         AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id > s.id AND t.submission = s.id AND t.id < \
             coalesce((SELECT n.id FROM submissions n WHERE n.id > s.id ORDER BY n.id LIMIT 1), 9223372036854775807)) \
         ORDER BY s.id LIMIT ?2",
        first_id_after(oldest_kept)
    );
    let submissions = found(connection, &without_tasks, oldest_kept.as_millis(), FOUND_MAX, more)?;
    Ok(submissions.into_iter().map(|(id, _)| submission_id(sql(id))).collect())
}

/// Each process has a worker name of its own. The latest are kept; of the others, those that no attempt tells of go. The
/// search walks all tasks, so it waits until many names have come together.
fn workers(connection: &Connection) -> Result<Vec<WorkerNumber>> {
    let names: i64 = connection.query_row("SELECT count(*) FROM workers", [], |row| row.get(0)).map_err(failed)?;
    if names <= 2 * WORKERS_KEPT {
        return Ok(Vec::new());
    }
    let unused = "SELECT number FROM workers \
         WHERE number <= (SELECT number FROM workers ORDER BY number DESC LIMIT 1 OFFSET ?1) \
         AND number NOT IN (SELECT worker FROM tasks WHERE worker IS NOT NULL UNION SELECT worker FROM attempts) \
         ORDER BY number LIMIT ?2";
    let mut query = connection.prepare(unused).map_err(failed)?;
    let rows = query.query_map(params![WORKERS_KEPT, FOUND_MAX], |row| row.get(0)).map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

/// Whatever is older than `time` has a smaller id than this, so that the search need not walk what is new.
fn first_id_after(time: Timestamp) -> i64 {
    sql(IdGenerator::new(0, 0).next(time.after(CLOCK_SET_BACK)))
}

/// The first `limit` ids that a query finds with their times, and whether there are more.
fn found(connection: &Connection, query: &str, before: i64, limit: usize, more: &mut bool) -> Result<Vec<(u64, i64)>> {
    let mut query = connection.prepare(query).map_err(failed)?;
    let rows =
        query.query_map(params![before, limit + 1], |row| Ok((unsigned(row.get(0)?), row.get(1)?))).map_err(failed)?;
    let mut found = rows.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)?;
    *more |= found.len() > limit;
    found.truncate(limit);
    Ok(found)
}
