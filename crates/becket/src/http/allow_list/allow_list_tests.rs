use super::*;

fn networks(texts: &[&str]) -> Networks {
    Networks::parse(texts).unwrap()
}

#[test]
fn address_that_is_not_known_is_never_let_in() {
    let all = AllowList { networks: networks(&["0.0.0.0/0", "::/0"]), fetched: None };
    assert_eq!(all.admits(None), Admission::Refused);
    assert_eq!(all.admits(Some("203.0.113.9".parse().unwrap())), Admission::Allowed);
}

#[tokio::test]
async fn configured_network_is_allowed_while_the_list_is_not_there_and_others_are_not_known() {
    let lists = AllowLists::default();
    // Nobody listens on port 9.
    let meta = Some(Allow::meta_url("http://127.0.0.1:9/meta").unwrap());
    let list = lists.of("github", &Allow { networks: networks(&["127.0.0.1"]), meta });
    let admits = |text: &str| list.admits(Some(text.parse().unwrap()));
    assert_eq!((admits("127.0.0.1"), admits("127.0.0.2")), (Admission::Allowed, Admission::NotKnown));
}

#[tokio::test]
async fn list_is_the_same_under_the_next_configuration_and_forgotten_with_the_last() {
    let lists = AllowLists::default();
    let at = |url| Allow { networks: Networks::default(), meta: Some(Allow::meta_url(url).unwrap()) };
    let first = lists.of("github", &at("http://127.0.0.1:9/meta")).fetched.unwrap();
    let again = lists.of("github", &at("http://127.0.0.1:9/meta")).fetched.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    let elsewhere = lists.of("github", &at("http://127.0.0.1:9/other")).fetched.unwrap();
    assert!(!Arc::ptr_eq(&first, &elsewhere));
    drop((first, again));
    assert_eq!(lists.status().len(), 1, "only what is used is told of");
    drop(elsewhere);
    assert_eq!(lists.status(), []);
}

#[test]
fn url_with_a_password_is_refused_and_not_repeated() {
    let error = Allow::meta_url("https://user:pa55@example.org/meta").unwrap_err();
    assert!(!error.to_string().contains("pa55"), "{error}");
}
