//! Applications that do not start, and what they say.

use std::net::Ipv4Addr;

use becket::{App, Config, StartError, State, background, inline};

use crate::world::{SECRET, app};

#[derive(Clone)]
struct Database;

async fn text(app: App) -> String {
    app.store("memory:").start().await.unwrap_err().to_string()
}

#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    async fn triage(_: State<Database>) {}
    async fn review() {}
    let app = app()
        .state(1_u8)
        .state(2_u8)
        .github(SECRET)
        .github(" ")
        .standard_webhooks("billing", "not whsec_")
        .on("issues.", background(triage))
        .on(["push", "pull request"], review)
        .on("fork", inline(review))
        .on(Vec::<String>::new(), background(|| async {}).named("nothing"));
    insta::assert_snapshot!(text(app).await, @r#"
    the application has 9 mistakes:
      there are two states of the type u8; wrap one of them in a type of its own
      the secret of `github`: secret 0 is blank; give the secret that was entered on GitHub's webhook page
      the secret of `billing`: secret 0 is not `whsec_` followed by base64; give the secret as its sender shows it, beginning with `whsec_`
      the handler `triage` is for `issues.`, which is not a pattern; nothing stands before or after a full stop; write `event`, `event.action` or `event.*`
      the handler `review` is for `pull request`, which is not a pattern; events and actions have visible ASCII characters without spaces
      the handler `nothing` has an empty list of patterns; name the events that it wants
      2 handlers have the name `review`; give one handler a list of patterns, or name them apart with `background(handler).named("…")`
      the handler `triage` takes `State<it::start::Database>`, and the application has no such state; add it with `.state(…)`
      two sources are received at `/webhooks/github`; configure a source in the file or in code, not in both, and each with a path of its own
    "#);
}

#[tokio::test]
async fn what_handlers_say_of_deliveries_is_checked() {
    async fn review() {}
    let app = app()
        .on("push", background(review).named("a").when("payload.draft && paylod.b"))
        .on("push", background(review).named("b").source(["github", "gitlab*"]))
        .task("by_hand", background(review).stop());
    insta::assert_snapshot!(text(app).await, @r#"
    the application has 3 mistakes:
      the filter of the handler `a` cannot be used: there is no variable `paylod` (at column 18); did you mean `payload`?
      the handler `by_hand` chooses among deliveries, and gets none; leave out `.source(…)`, `.when(…)` and `.stop()`, or register it with `.on(…)`
      the handler `b` is for the source `gitlab*`, and there is none; there are github
    "#);
}

#[tokio::test]
async fn handler_whose_state_is_missing_is_named_before_anything_listens() {
    async fn triage(_: State<u64>) {}
    let error = text(app().on("issues", triage)).await;
    assert!(error.contains("the handler `triage` takes `State<u64>`"), "{error}");
    assert!(text(app().task("by_hand", triage)).await.contains("`by_hand` takes `State<u64>`"));
}

#[tokio::test]
async fn closures_on_one_pattern_need_names() {
    let twice = || app().on("push", || async {});
    assert!(text(twice().on("push", || async {})).await.contains("2 handlers have the name `push`"));
    let named = twice().on("push", background(|| async {}).named("second")).store("memory:");
    named.start().await.unwrap().shutdown().await;
}

#[tokio::test]
async fn handlers_without_a_source_are_a_mistake() {
    assert!(text(App::new().on("push", || async {})).await.contains("no source"));
}

#[tokio::test]
async fn sources_of_code_and_configuration_must_not_share_a_name_or_path() {
    let config = Config::from_toml("[sources.github]\nsecret = 'x'").unwrap();
    let path = Config::from_toml("[sources.hub]\nkind = 'github'\nsecret = 'x'\npath = '/webhooks/github'").unwrap();
    assert!(text(app().config(path)).await.contains("two sources are received at `/webhooks/github`"));
    assert!(text(app().config(config)).await.contains("two sources are received at `/webhooks/github`"));
}

#[tokio::test]
async fn store_that_is_no_store_is_a_mistake() {
    let error = app().store("mysql:here").start().await.unwrap_err();
    assert!(error.to_string().contains("write `sqlite:PATH` or `memory:`"), "{error}");
}

#[tokio::test]
async fn address_in_use_is_told_with_the_address() {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let error = app().store("memory:").listen(address).start().await.unwrap_err();
    assert!(matches!(&error, StartError::Listen { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("cannot listen on {address}"));
}
