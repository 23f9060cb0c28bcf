//! One handler for all forges: what it is called for, what it takes, and what is kept for a replay.

use std::time::SystemTime;

use becket::normalised::{Build, ChangeRequest, Issue, Kind, Normalised, Push, View};
use becket::{App, Delivery, Dialect, Json, background};
use becket_tasks::State;
use becket_webhooks::Sender;
use serde_json::{Value, json};

use super::targets::{Receiver, ok};
use crate::world::{Answer, Post, SECRET, World, configured};

const SOURCES: &str = r#"
    sources.gitlab.secret = "gitlab"
    sources.bitbucket_cloud.secret = "cloud"
    sources.stripe.secret = "stripe"
"#;

fn post(kind: Kind, event: &str, id: &str, mut payload: Value) -> Post {
    let secret = match kind {
        Kind::Github => SECRET,
        Kind::Gitlab => "gitlab",
        Kind::BitbucketCloud => "cloud",
        _ => "stripe",
    };
    let sender = Sender::new(Dialect::of(kind).unwrap(), Some(secret.into())).unwrap();
    sender.complete(&mut payload, event, id).unwrap();
    let body = payload.to_string().into_bytes();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let headers = sender.headers(event, id, now.try_into().unwrap(), &body).unwrap();
    let headers = headers.iter().map(|(name, value)| {
        let name: &'static str = name.as_str().to_owned().leak();
        (name, value.to_str().unwrap().to_owned())
    });
    Post { path: format!("/webhooks/{kind}"), headers: headers.collect(), body }
}

fn merge_request(id: &str, action: &str) -> Post {
    let attributes = json!({"iid": 7, "title": "Light the lamp", "state": "opened", "source_branch": "lamp"});
    let payload = json!({"project": {"path_with_namespace": "tower/lamp"}, "object_attributes": attributes});
    post(Kind::Gitlab, &format!("merge_request.{action}"), id, payload)
}

fn pull_request(id: &str, action: &str) -> Post {
    let head = json!({"ref": "lamp", "sha": "abc"});
    let change = json!({"number": 8, "title": "Light it", "state": "open", "head": head, "user": {"login": "mona"}});
    let payload = json!({"pull_request": change, "repository": {"full_name": "octo/lamp"}});
    post(Kind::Github, &format!("pull_request.{action}"), id, payload)
}

/// What the only task of a delivery returned.
async fn result(world: &World, post: Post) -> Value {
    let answer = world.post(post).await;
    assert_eq!((answer.status, answer.tasks().len()), (202, 1), "{answer:?}");
    let ended = world.ended(answer.tasks()[0]).await;
    serde_json::from_slice(&ended.result.unwrap_or_else(|| panic!("{:?}", ended.task))).unwrap()
}

async fn review(change: ChangeRequest) -> Json<Value> {
    let repository = change.repository.unwrap_or_default();
    Json(json!([change.event, change.forge, repository, change.number, change.title, change.source_branch]))
}

fn reviewing(patterns: &[&str]) -> App {
    configured(SOURCES).on(patterns, background(review).named("review"))
}

#[tokio::test]
async fn one_handler_gets_what_all_forges_call_by_their_own_names() {
    let world = World::start(reviewing(&["change_request.*"])).await;
    assert_eq!(
        result(&world, merge_request("1", "open")).await,
        json!(["change_request.opened", "gitlab", "tower/lamp", 7, "Light the lamp", "lamp"])
    );
    assert_eq!(
        result(&world, pull_request("2", "synchronize")).await,
        json!(["change_request.updated", "github", "octo/lamp", 8, "Light it", "lamp"])
    );
    let payload = json!({"pullrequest": {"id": 9, "title": "Lamp"}, "repository": {"full_name": "a/b"}});
    assert_eq!(
        result(&world, post(Kind::BitbucketCloud, "pullrequest:fulfilled", "3", payload)).await,
        json!(["change_request.merged", "bitbucket_cloud", "a/b", 9, "Lamp", null])
    );
}

#[tokio::test]
async fn whole_name_finds_one_event_and_the_sender_s_word_none_of_the_others() {
    let app = reviewing(&["change_request.opened", "issue"]);
    let world = World::start(app).await;
    assert_eq!(result(&world, merge_request("1", "open")).await[0], "change_request.opened");
    for missed in [
        merge_request("2", "update"),
        pull_request("3", "closed"),
        // `issue` is GitLab's own word.
        post(Kind::Github, "issues.opened", "4", json!({"issue": {"number": 1}})),
    ] {
        let answer = world.post(missed).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &"MISS".into()), "{answer:?}");
    }
}

#[tokio::test]
async fn handler_that_wants_a_delivery_by_both_names_runs_once() {
    let world =
        World::start(reviewing(&["pull_request.opened", "change_request.opened", "change_request.*", "*"])).await;
    assert_eq!(result(&world, pull_request("1", "opened")).await[0], "change_request.opened");
}

#[tokio::test]
async fn handler_of_one_source_gets_no_other_s() {
    let world = World::start(configured(&format!(
        "{SOURCES}\n[[routes]]\nname = 'review'\non = 'change_request.*'\nsource = 'gitlab'\nto = 'log'"
    )))
    .await;
    assert_eq!(world.post(merge_request("1", "open")).await.tasks().len(), 1);
    assert_eq!(world.post(pull_request("2", "opened")).await.status, 200);
}

#[tokio::test]
async fn sender_s_own_words_give_a_view_as_well() {
    let world = World::start(reviewing(&["merge_request"])).await;
    assert_eq!(result(&world, merge_request("1", "close")).await[0], "change_request.closed");
}

#[tokio::test]
async fn each_view_is_an_argument_and_so_is_the_name() {
    async fn pushed(event: Normalised, push: Push) -> Json<Value> {
        Json(json!([event, push.branch, push.tag, push.commit]))
    }
    async fn told(issue: Issue) -> Json<Value> {
        Json(json!([issue.number, issue.comment.map(|comment| comment.text)]))
    }
    async fn built(build: Build) -> Json<Value> {
        Json(json!([build.result, build.commit]))
    }
    async fn any(view: View, delivery: Delivery) -> Json<Value> {
        Json(json!([view.event(), delivery.normalised(), matches!(view, View::Push(_))]))
    }
    let app = configured(SOURCES)
        .on(["push", "tag.*"], background(pushed).named("pushed"))
        .on("issue.commented", background(told).named("told"))
        .on("build.finished", background(built).named("built"))
        .on("branch.deleted", background(any).named("any"));
    let world = World::start(app).await;
    let tag = json!({"ref": "refs/tags/v1", "after": "abc"});
    assert_eq!(
        result(&world, post(Kind::Gitlab, "tag_push", "1", tag.clone())).await,
        json!(["tag.pushed", null, "v1", "abc"])
    );
    assert_eq!(result(&world, post(Kind::Github, "push", "2", tag)).await, json!(["tag.pushed", null, "v1", "abc"]));
    let note = json!({"object_attributes": {"noteable_type": "Issue", "note": "Hear, hear"}, "issue": {"iid": 3, "title": "x"}});
    assert_eq!(result(&world, post(Kind::Gitlab, "note.create", "3", note)).await, json!([3, "Hear, hear"]));
    let status = json!({"commit_status": {"state": "FAILED", "commit": {"hash": "abc"}}});
    let built = post(Kind::BitbucketCloud, "repo:commit_status_updated", "4", status);
    assert_eq!(result(&world, built).await, json!(["failed", "abc"]));
    let deleted = json!({"push": {"changes": [{"old": {"type": "branch", "name": "lamp"}, "new": null}]}});
    let deleted = post(Kind::BitbucketCloud, "repo:push", "5", deleted);
    assert_eq!(result(&world, deleted).await, json!(["branch.deleted", "branch.deleted", true]));
}

#[tokio::test]
async fn delivery_without_such_an_event_ends_the_task_and_says_what_to_do() {
    let app = reviewing(&["invoice.paid", "push", "pull_request"]);
    let world = World::start(app).await;
    let error = async |post: Post| {
        let task = world.post(post).await.tasks()[0];
        let ended = world.ended(task).await;
        assert_eq!(ended.task.state(), State::Failed);
        ended.attempts.last().and_then(|attempt| attempt.error.clone()).unwrap().to_string()
    };
    let none = error(post(Kind::Stripe, "invoice.paid", "evt_1", json!({}))).await;
    assert!(none.contains("no normalised event; give the handler patterns of such, as `change_request.*`"), "{none}");
    let other = error(post(Kind::Github, "push", "2", json!({"ref": "refs/heads/main", "after": "abc"}))).await;
    assert!(other.contains("the event is `push`, which is about no change request"), "{other}");
    let lacking =
        error(post(Kind::Github, "pull_request.opened", "3", json!({"pull_request": {"title": "s3cret"}}))).await;
    let expected = "`change_request.opened` of github cannot be read: the payload has no `/pull_request/number`";
    assert!(lacking.contains(expected) && !lacking.contains("s3cret"), "{lacking}");
}

#[tokio::test]
async fn replay_goes_by_what_was_kept() {
    let world = World::start(reviewing(&["change_request.opened"])).await;
    let first = result(&world, merge_request("1", "open")).await;
    let shown = Answer::of(reqwest::get(world.running.url("/api/v1/deliveries/1")).await.unwrap()).await;
    assert_eq!(
        (&shown.body["normalised"], &shown.body["repository"]),
        (&"change_request.opened".into(), &"tower/lamp".into())
    );
    let headers = shown.body["headers"].as_object().unwrap();
    assert!(!headers.keys().any(|name| name.starts_with("becket-")), "they are no headers: {headers:?}");

    let url = world.running.url("/api/v1/deliveries/1/replay");
    let replayed = Answer::of(reqwest::Client::new().post(url).send().await.unwrap()).await;
    assert_eq!((replayed.status, replayed.tasks().len()), (202, 1), "{replayed:?}");
    let ended = world.ended(replayed.tasks()[0]).await;
    assert_eq!(serde_json::from_slice::<Value>(&ended.result.unwrap()).unwrap(), first);
}

#[tokio::test]
async fn route_of_the_configuration_takes_it_from_all_and_its_target_is_told_what_it_is_about() {
    let mut receiver = Receiver::start(ok).await;
    let world = World::start(configured(&format!(
        "{SOURCES}\n[targets.chat]\nhttp = 'http://{}/hook'\nallow_private = true\n\
         json = {{ text = '{{@repository}} #{{@number}} {{@title}} ({{@branch}}): {{@normalised}}' }}\n\
         [[routes]]\nname = 'chat'\non = 'change_request.*'\nto = 'chat'\nretries = 0\n\
         [[routes]]\nname = 'forward'\non = 'push'\nto = {{ http = 'http://{}/raw', allow_private = true }}\nretries = 0",
        receiver.address, receiver.address
    )))
    .await;
    for (post, expected) in [
        (merge_request("1", "open"), "tower/lamp #7 Light the lamp (lamp): change_request.opened"),
        (pull_request("2", "reopened"), "octo/lamp #8 Light it (lamp): change_request.reopened"),
    ] {
        let task = world.post(post).await.tasks()[0];
        world.ended(task).await;
        let (parts, body) = receiver.received();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["text"], expected);
        assert_eq!(parts.headers["becket-normalised"].to_str().unwrap(), expected.rsplit(' ').next().unwrap());
    }
    let pushed = post(Kind::Gitlab, "push", "3", json!({"ref": "refs/heads/main", "after": "abc"}));
    let task = world.post(pushed).await.tasks()[0];
    world.ended(task).await;
    assert_eq!(receiver.received().0.headers["becket-normalised"], "push");
}
