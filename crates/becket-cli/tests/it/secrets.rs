//! `becket secrets`: which are used, which can go, and what those do whose time is over.

use crate::world::World;

/// The second secret's time is over, the first one's has not come.
const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
[store]
url = "sqlite:becket.db"
[sources.github]
secrets = [
    { value = "coming", name = "next", not_before = 2999-01-01T00:00:00Z },
    { value = "current" },
    { value = "over", name = "old", not_after = 2020-01-01T00:00:00Z },
]
[sources.intranet]
kind = "gitea"
insecure_accept_unsigned = true
"#;

#[test]
fn secret_outside_its_time_is_refused_and_only_the_operator_hears_why() {
    let world = World::new(CONFIG);
    let server = world.serve();
    server.send("github", "push --secret current").ok();
    for (secret, reason, sentence) in [
        (
            "over",
            "secret_expired",
            "the secret `old` (place 2) made the signature, and is no longer valid since 2020-01-01T00:00:00Z",
        ),
        (
            "coming",
            "secret_not_yet_valid",
            "the secret `next` (place 0) made the signature, and is valid from 2999-01-01T00:00:00Z on only",
        ),
    ] {
        let printed = server.send("github", &format!("push --secret {secret}"));
        assert_eq!(printed.code, 1);
        let said = format!("{}{}", printed.out, printed.err);
        assert!(said.contains("401") && said.contains("the signature could not be verified"), "{said}");
        assert!(!said.contains("valid since") && !said.contains("valid from"), "{said}");
        let rejection = &server.rejections()["items"][0];
        assert_eq!((&rejection["reason"], &rejection["explanation"]), (&reason.into(), &sentence.into()));
    }
    // With no secret named, `send` takes the one that counts.
    server.send("github", "push").ok();
}

#[test]
fn status_says_when_each_secret_was_used_and_whether_it_can_go_also_after_a_restart() {
    let world = World::new(CONFIG);
    let server = world.serve();
    server.send("github", "push --secret current --delivery-id 1").ok();
    server.send("github", "push --secret current --delivery-id 2").ok();
    server.stop();

    let server = world.serve();
    server.send("github", "push --secret current --delivery-id 3").ok();
    let listed = server.ask_json("secrets status");
    let secrets = listed["items"][0]["secrets"].as_array().unwrap();
    let told = |place: usize| {
        let secret = &secrets[place];
        let safe = secret["safe_to_drop"].as_bool().unwrap();
        (secret["state"].as_str().unwrap(), secret["used"].as_u64().unwrap(), safe, secret["reason"].as_str().unwrap())
    };
    assert_eq!(told(0), ("not_yet", 0, false, "its time comes at 2999-01-01T00:00:00.000Z"));
    assert_eq!(told(1), ("active", 3, false, "no other secret of the source verifies now"));
    assert_eq!(told(2), ("expired", 0, true, "it verifies nothing since 2020-01-01T00:00:00.000Z"));
    assert!(secrets[1]["last_used_at"].is_string() && secrets[2]["last_used_at"].is_null());
    assert!(!listed.to_string().contains("current"), "{listed}");

    let table = server.ask("secrets status").ok();
    let row = |name: &str| table.out.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(row("next").contains("not yet, from 2999-01-01T00:00:00"), "{}", table.out);
    assert!(row("old").contains("expired 2020-01-01T00:00:00"), "{}", table.out);
    assert!(table.err.contains("the source intranet has no secret"), "{}", table.err);
    let odd = server.ask("secrets status --quiet soon");
    assert!(odd.code == 1 && odd.err.contains("quiet: `soon` is not a duration"), "{}", odd.err);
}

#[test]
fn rotated_secret_can_go_when_a_newer_one_is_used_and_it_is_quiet() {
    let config = |secrets: &str| {
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nwatch_config = false\n[store]\nurl = \"memory:\"\n[sources.github]\nsecrets = [{secrets}]\n"
        )
    };
    let world = World::new(&config("'old'"));
    let server = world.serve();
    server.send("github", "push --secret old").ok();
    std::fs::write(world.path().join("becket.toml"), config("'new', 'old'")).unwrap();
    server.ask("config reload").ok();

    let old = || server.ask_json("secrets status")["items"][0]["secrets"][1].clone();
    assert_eq!(old()["used"], 1, "it is known in its new place");
    assert_eq!(old()["reason"], "no newer one was used since, so its senders may still have it");
    server.send("github", "push --secret new").ok();
    let reason = old()["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("last used ") && reason.ends_with("wait until it has been quiet for 7days"), "{reason}");
    let listed = server.ask_json("secrets status --quiet 0s");
    assert_eq!(listed["items"][0]["secrets"][1]["safe_to_drop"], true);
    assert_eq!(listed["items"][0]["secrets"][0]["safe_to_drop"], false);
}

#[test]
fn configuration_none_of_whose_secrets_counts_is_warned_of() {
    let world = World::new(
        "[server]\nlisten = \"127.0.0.1:0\"\n[sources.github]\n\
         secret = { value = \"x\", not_after = 2020-01-01T00:00:00Z }\n",
    );
    let warning = "no secret of the source github is valid now";
    assert!(world.run("config check").ok().err.contains(warning));
    let (_, printed) = world.serve().stop();
    assert!(printed.contains(warning), "{printed}");
}
