//! `becket routes`, and routes with filters in a server that runs.

use serde_json::json;

use crate::world::World;

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
[store]
url = "memory:"
[sources.github]
secret = "It's a Secret to Everybody"
[sources.gitlab]
secret = "hunter2!"
[[routes]]
name = "people"
on = "issues.*"
when = "payload.sender.type == 'User' && payload.issue.state == 'open'"
to = "log"
stop = true
[[routes]]
name = "bots"
on = ["issues", "pull_request*"]
when = "payload.sender.type == 'Bot' && payload.nothing.at_all == 1"
to = "log"
[[routes]]
name = "merges"
on = "*"
source = "gitlab*"
to = "log"
[[routes]]
name = "rest"
on = "*"
to = "log"
[[routes]]
name = "closed"
on = "issues.closed"
to = "log"
"#;

#[test]
fn routes_are_listed_in_the_order_in_which_they_are_asked() {
    let world = World::new(CONFIG);
    let listed = world.run("routes").ok().out;
    let names: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names.into_iter().filter(|name| CONFIG.contains(&format!("name = \"{name}\""))).count(), 5, "{listed}");
    let json = world.run("routes list --json").ok().json();
    assert_eq!(json["items"][0]["name"], "people");
    assert_eq!(
        json["items"][2],
        json!({"name": "merges", "on": ["*"], "sources": ["gitlab*"], "when": null, "stop": false, "mode": "background", "to": "log"})
    );
}

#[test]
fn each_route_says_why_it_does_not_get_a_delivery() {
    let world = World::new(CONFIG);
    let told = world.run("routes test issues.opened").ok().out;
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "issues.opened (issue.opened) from github, with the built-in sample",
            "people: gets it, and stops: routes below do not",
            "    true   payload.sender.type == 'User'  (payload.sender.type is \"User\")",
            "    true   payload.issue.state == 'open'  (payload.issue.state is \"open\")",
            "bots: no: people got it, and stops",
            "    false  payload.sender.type == 'Bot'  (payload.sender.type is \"User\")",
            "    false  payload.nothing.at_all == 1  (payload.nothing is not there)",
            "merges: no: it is for the source gitlab*",
            "rest: no: people got it, and stops",
            "closed: no: it is on issues.closed, which is near",
        ]
    );
    let json = world.run("routes test merge_request.open --json").ok().json();
    assert_eq!(
        (&json["source"], &json["event"], &json["payload"]),
        (&json!("gitlab"), &json!("merge_request"), &json!("sample"))
    );
    let outcomes: Vec<_> =
        json["routes"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["other_event", "other_event", "matches", "matches", "other_event"]);
}

#[test]
fn payload_of_a_file_is_what_filters_look_into() {
    let world = World::new(CONFIG);
    let payload = r#"{"action": "closed", "sender": {"type": "Bot\u001b[2J"}, "issue": {"state": "closed"}}"#;
    std::fs::write(world.path().join("closed.json"), payload).unwrap();
    let told = world.run("routes test issues --source github --payload closed.json").ok().out;
    assert!(
        told.starts_with(
            "issues.closed (issue.closed) from github, with the payload given\npeople: no: its filter is not true\n"
        ),
        "{told}"
    );
    assert!(told.contains("\nclosed: gets it\n") && !told.contains('\u{1b}'), "{told}");
}

#[test]
fn exit_code_says_whether_a_route_gets_it() {
    let only =
        "[sources.github]\nsecret = 'x'\n[[routes]]\nname = 'a'\non = 'issues'\nwhen = 'payload.a == 1'\nto = 'log'\n";
    let world = World::new(only);
    let none = world.run("routes test push");
    assert_eq!(
        (none.code, none.out.as_str()),
        (1, "push from github, with the built-in sample\na: no: it is on issues\n")
    );
    let unknown = world.run("routes test issues.exploded --json");
    assert_eq!((unknown.code, &unknown.json()["routes"][0]["outcome"]), (1, &json!("no_payload")));
    let unclear = World::new(CONFIG).run("routes test push");
    assert_eq!(unclear.code, 1);
    assert!(unclear.err.contains("name one with --source: github, gitlab"), "{}", unclear.err);
    let wrong = World::new(&only.replace("payload.a", "paylod.a")).run("routes test push");
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("routes.0.when") && wrong.err.contains("did you mean `payload`?"), "{}", wrong.err);
}

#[test]
fn server_asks_filters_and_stops_where_a_route_says_so() {
    let world = World::new(CONFIG);
    let server = world.serve();
    let kinds = |args: &str| -> Vec<String> {
        server.send_and_wait("github", args);
        let tasks = server.ask_json("tasks list");
        let mut kinds: Vec<String> =
            tasks["items"].as_array().unwrap().iter().map(|task| task["kind"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds("issues.opened"), ["people"]);
    assert_eq!(kinds("issues.closed"), ["closed", "people", "rest"], "the sample's issue is not open any more");

    // What is replayed is asked again.
    let deliveries = server.ask_json("deliveries list");
    let first = deliveries["items"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    server.ask(&format!("deliveries replay {first}")).ok();
    let tasks = server.ask_json("tasks list");
    let people = tasks["items"].as_array().unwrap().iter().filter(|task| task["kind"] == "people").count();
    assert_eq!(people, 2);

    let metrics = server.metrics();
    for line in [
        "becket_route_filters_total{route=\"people\",said=\"true\"} 2",
        "becket_route_filters_total{route=\"people\",said=\"false\"} 1",
        "becket_route_filters_total{route=\"bots\",said=\"false\"} 1",
        "becket_route_filters_total{route=\"bots\",said=\"failed\"} 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    server.stop();
}

#[test]
fn example_of_the_guide_is_told_as_the_guide_says() {
    let guide = include_str!("../../../../docs/guides/routing.md");
    let block = |language: &str| {
        let (_, rest) = guide.split_once(&format!("```{language}\n")).unwrap();
        rest.split_once("```").unwrap().0
    };
    let world = World::new(&block("toml").replace("\"...\"", "\"a secret for tests\""));
    let (command, said) = block("console").split_once('\n').unwrap();
    let told = world.run(command.strip_prefix("$ becket ").unwrap()).ok().out;
    assert_eq!(told, said);
    world.run("config check").ok();
}
