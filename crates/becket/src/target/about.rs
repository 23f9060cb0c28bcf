//! What a normalised event is about, as texts: for templates and for the environment of programs.
//!
//! Read from the payload when one of them is asked for, and never again in the same attempt.

use becket_tasks::Claimed;
use becket_webhooks::{BuildResult, ChangeRequest, Issue, Push, State, View};

use crate::http::kept;

/// The texts, each under its name. What is not known is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Normalised,
    Repository,
    Number,
    Title,
    Author,
    Actor,
    Branch,
    TargetBranch,
    Tag,
    Commit,
    State,
    Link,
}

impl Text {
    /// Each with its name: that of the label (`{@title}`) and, in capitals, of the variable (`BECKET_TITLE`).
    pub(super) const ALL: [(&str, Self); 12] = [
        ("normalised", Self::Normalised),
        ("repository", Self::Repository),
        ("number", Self::Number),
        ("title", Self::Title),
        ("author", Self::Author),
        ("actor", Self::Actor),
        ("branch", Self::Branch),
        ("target_branch", Self::TargetBranch),
        ("tag", Self::Tag),
        ("commit", Self::Commit),
        ("state", Self::State),
        ("link", Self::Link),
    ];
}

/// The texts of one task.
#[derive(Debug, Default)]
pub(super) struct About([Option<String>; Text::ALL.len()]);

impl About {
    /// Reads them. A payload that has no view still has a repository and, as the case may be, the event's name.
    pub(super) fn of(task: &Claimed) -> Self {
        let known = kept::known(&task.meta);
        let mut about = Self::default();
        if let Some((kind, event)) = known.normalised {
            about.set(Text::Normalised, Some(event.name()));
            let json = kept::json(&task.meta, &task.payload).unwrap_or_default();
            if let Ok(view) = View::read(kind, event, known.repository.as_deref(), &json) {
                about.tell(&view);
            }
        }
        about.set(Text::Repository, known.repository.as_deref());
        about
    }

    pub(super) fn get(&self, text: Text) -> Option<&str> {
        self.0[text as usize].as_deref()
    }

    /// What is nothing leaves what is there.
    fn set(&mut self, text: Text, value: Option<&str>) {
        if let Some(value) = value {
            self.0[text as usize] = Some(value.to_owned());
        }
    }

    fn tell(&mut self, view: &View) {
        match view {
            View::ChangeRequest(change) => self.tell_change(change),
            View::Push(push) => self.tell_push(push),
            View::Issue(issue) => self.tell_issue(issue),
            View::Build(build) => {
                self.set(Text::Repository, build.repository.as_deref());
                self.set(Text::Number, build.number.map(|number| number.to_string()).as_deref());
                self.set(Text::Title, build.name.as_deref());
                self.set(Text::Actor, build.actor.as_deref());
                self.set(Text::Branch, build.branch.as_deref());
                self.set(Text::Commit, build.commit.as_deref());
                self.set(Text::State, Some(result(build.result)));
                self.set(Text::Link, build.link.as_deref());
            }
            _ => {}
        }
    }

    fn tell_change(&mut self, change: &ChangeRequest) {
        self.set(Text::Number, Some(&change.number.to_string()));
        self.set(Text::Title, Some(&change.title));
        self.set(Text::Author, change.author.as_deref());
        self.set(Text::Actor, change.actor.as_deref());
        self.set(Text::Branch, change.source_branch.as_deref());
        self.set(Text::TargetBranch, change.target_branch.as_deref());
        self.set(Text::Commit, change.commit.as_deref());
        self.set(Text::State, Some(state(change.state)));
        self.set(Text::Link, change.link.as_deref());
    }

    fn tell_push(&mut self, push: &Push) {
        self.set(Text::Title, push.title.as_deref());
        self.set(Text::Actor, push.actor.as_deref());
        self.set(Text::Branch, push.branch.as_deref());
        self.set(Text::Tag, push.tag.as_deref());
        self.set(Text::Commit, push.commit.as_deref());
        self.set(Text::Link, push.link.as_deref());
    }

    fn tell_issue(&mut self, issue: &Issue) {
        self.set(Text::Number, Some(&issue.number.to_string()));
        self.set(Text::Title, Some(&issue.title));
        self.set(Text::Author, issue.author.as_deref());
        self.set(Text::Actor, issue.actor.as_deref());
        self.set(Text::State, Some(state(issue.state)));
        self.set(Text::Link, issue.link.as_deref());
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Merged => "merged",
        State::Closed => "closed",
    }
}

fn result(result: BuildResult) -> &'static str {
    match result {
        BuildResult::Succeeded => "succeeded",
        BuildResult::Failed => "failed",
        BuildResult::Cancelled => "cancelled",
        BuildResult::Skipped => "skipped",
        BuildResult::Other => "other",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::Bytes;

    use super::super::template::tests::task;
    use super::*;

    /// A task of this normalised event of GitLab.
    pub(in super::super) fn of_gitlab(event: &str, payload: &str) -> Claimed {
        let meta = kept::encode(&[
            ("becket-repository", "tower/lamp"),
            ("becket-source-kind", "gitlab"),
            ("becket-normalised", event),
        ]);
        Claimed { meta, ..task(payload) }
    }

    fn told(task: &Claimed) -> Vec<(&'static str, String)> {
        let about = About::of(task);
        Text::ALL.into_iter().filter_map(|(name, text)| Some((name, about.get(text)?.to_owned()))).collect()
    }

    fn expected(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    #[test]
    fn every_text_has_its_place() {
        for (place, (_, text)) in Text::ALL.into_iter().enumerate() {
            assert_eq!(text as usize, place);
        }
    }

    #[test]
    fn merge_request_says_all_that_there_is() {
        let payload = r#"{"user": {"id": 1, "username": "maren"}, "object_attributes": {"iid": 7, "title": "Light", "author_id": 1,
            "state": "opened", "source_branch": "lamp", "target_branch": "main", "last_commit": {"id": "abc"},
            "url": "https://gitlab.example/tower/lamp/-/merge_requests/7"}}"#;
        let all = [
            ("normalised", "change_request.opened"),
            ("repository", "tower/lamp"),
            ("number", "7"),
            ("title", "Light"),
            ("author", "maren"),
            ("actor", "maren"),
            ("branch", "lamp"),
            ("target_branch", "main"),
            ("commit", "abc"),
            ("state", "open"),
            ("link", "https://gitlab.example/tower/lamp/-/merge_requests/7"),
        ];
        assert_eq!(told(&of_gitlab("change_request.opened", payload)), expected(&all));
    }

    #[test]
    fn what_is_not_there_is_not_said() {
        let push = r#"{"ref": "refs/tags/v1", "after": "abc", "user_username": "maren"}"#;
        let of_push = [
            ("normalised", "tag.pushed"),
            ("repository", "tower/lamp"),
            ("actor", "maren"),
            ("tag", "v1"),
            ("commit", "abc"),
        ];
        assert_eq!(told(&of_gitlab("tag.pushed", push)), expected(&of_push));
        // Erased, say.
        let erased = [("normalised", "issue.opened"), ("repository", "tower/lamp")];
        assert_eq!(told(&of_gitlab("issue.opened", "")), expected(&erased));
        assert!(told(&task(push)).is_empty());
        assert!(told(&Claimed { meta: Bytes::from_static(b"{}"), ..task(push) }).is_empty());
    }

    #[test]
    fn build_says_how_it_ended() {
        let payload =
            r#"{"object_attributes": {"id": 9, "name": "deploy", "ref": "main", "status": "failed", "sha": "abc"}}"#;
        let about = About::of(&of_gitlab("build.finished", payload));
        let of_build = [Text::Number, Text::Title, Text::State, Text::Branch].map(|text| about.get(text).unwrap());
        assert_eq!(of_build, ["9", "deploy", "failed", "main"]);
    }
}
