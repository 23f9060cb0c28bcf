use proptest::prelude::*;

use super::*;

fn proxies() -> Proxies {
    Proxies::new(Networks::parse(["10.0.0.0/8", "::1", "2001:db8::/32"]).unwrap())
}

fn headers(lines: &[(&str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, http::HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn client(peer: &str, lines: &[(&str, &[u8])]) -> String {
    proxies().client(peer.parse().unwrap(), &headers(lines)).to_string()
}

#[test]
fn peer_that_is_no_proxy_is_the_client_whatever_it_writes() {
    let lines: [(&str, &[u8]); 2] = [("x-forwarded-for", b"192.30.252.1"), ("forwarded", b"for=192.30.252.1")];
    assert_eq!(client("203.0.113.9", &lines), "203.0.113.9");
    assert_eq!(client("::ffff:203.0.113.9", &lines), "203.0.113.9", "it is shown as what it is");
    let nobody = Proxies::default();
    assert_eq!(nobody.client("10.0.0.1".parse().unwrap(), &headers(&lines)).to_string(), "10.0.0.1");
}

#[test]
fn walk_goes_from_the_right_to_the_first_address_that_is_no_proxy() {
    for (written, found) in [
        ("203.0.113.9", "203.0.113.9"),
        ("192.30.252.1, 203.0.113.9", "203.0.113.9"),
        ("192.30.252.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("192.30.252.1,203.0.113.9 ,\t10.0.0.7,::1", "203.0.113.9"),
        ("10.0.0.9, 10.0.0.7", "10.0.0.9"),
        ("203.0.113.9:4711, [2001:db8::7]:80, [::1]", "203.0.113.9"),
        ("2606:50c0::1, 2001:db8::7", "2606:50c0::1"),
        ("::ffff:203.0.113.9, ::ffff:10.0.0.7", "203.0.113.9"),
    ] {
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", written.as_bytes())]), found, "{written}");
    }
}

#[test]
fn several_lines_are_one_list() {
    let lines: [(&str, &[u8]); 3] = [
        ("x-forwarded-for", b"192.30.252.1"),
        ("x-forwarded-for", b"198.51.100.1, 203.0.113.9"),
        ("x-forwarded-for", b"10.0.0.7"),
    ];
    assert_eq!(client("::1", &lines), "203.0.113.9");
}

#[test]
fn what_cannot_be_read_ends_the_walk_at_the_last_address_that_was_sure() {
    for (written, found) in [
        (&b""[..], "10.0.0.1"),
        (b"unknown", "10.0.0.1"),
        (b"192.30.252.1, unknown, 10.0.0.7", "10.0.0.7"),
        (b"192.30.252.1,, 10.0.0.7", "10.0.0.7"),
        (b"192.30.252.1, 10.0.0.7,", "10.0.0.1"),
        (b"192.30.252.1, 10.0.0.7 10.0.0.8", "10.0.0.1"),
        (b"192.30.252.1, 10.0.0.0/8, 10.0.0.7", "10.0.0.7"),
        (b"192.30.252.1, \"10.0.0.8\", 10.0.0.7", "10.0.0.7"),
        // What is broken further left changes nothing.
        (b"\xff\xfe, \"[, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        (b"010.0.0.1", "10.0.0.1"),
        (b"fe80::1%eth0", "10.0.0.1"),
    ] {
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", written)]), found, "{}", written.escape_ascii());
    }
}

#[test]
fn forwarded_counts_where_there_is_no_other() {
    for (written, found) in [
        (&b"for=203.0.113.9"[..], "203.0.113.9"),
        (b"For=\"203.0.113.9:4711\";proto=https;by=10.0.0.7", "203.0.113.9"),
        (b"for=192.30.252.1, for=203.0.113.9;by=10.0.0.7, proto=http;for=\"[2001:db8::7]:80\"", "203.0.113.9"),
        (b"for=192.30.252.1, for=203.0.113.9;host=\"a,b;for=10.0.0.9\\\",\"", "203.0.113.9"),
        (b"for=_hidden", "10.0.0.1"),
        (b"for=unknown, for=10.0.0.7", "10.0.0.7"),
        (b"proto=https", "10.0.0.1"),
        (b"for=203.0.113.9;for=192.30.252.1", "10.0.0.1"),
        (b"for=\"203.0.113.9\"x", "10.0.0.1"),
        (b"for=\"203.0.113.9", "10.0.0.1"),
        (b"203.0.113.9", "10.0.0.1"),
        (b"", "10.0.0.1"),
        // A quote that the client opened does not swallow what the proxy wrote behind it.
        (b"for=192.30.252.1;x=\", for=203.0.113.9", "203.0.113.9"),
        (b"for=192.30.252.1;x=\", for=\"[2606:50c0::1]\";host=\";for=192.30.252.1\"", "2606:50c0::1"),
        (b"\xff, for=203.0.113.9", "203.0.113.9"),
    ] {
        assert_eq!(client("10.0.0.1", &[("forwarded", written)]), found, "{}", written.escape_ascii());
    }
    let both: [(&str, &[u8]); 2] = [("forwarded", b"for=192.30.252.1"), ("x-forwarded-for", b"203.0.113.9")];
    assert_eq!(client("10.0.0.1", &both), "203.0.113.9");
}

/// What a client may put into a header, with what these headers are made of more often than by chance.
fn written() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b",".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"\\".to_vec()),
        Just(b";".to_vec()),
        Just(b"for=".to_vec()),
        Just(b" 10.0.0.7 ".to_vec()),
        Just(b"[2001:db8::7]".to_vec()),
        Just(b"192.30.252.1".to_vec()),
        prop::collection::vec(0x20..=0xff_u8, 0..4),
    ];
    prop::collection::vec(piece, 0..12)
        .prop_map(|pieces| pieces.concat().into_iter().filter(|byte| *byte != 0x7f).collect())
}

proptest! {
    #[test]
    fn what_a_client_writes_before_the_proxy_never_becomes_its_address(left in written(), other in written()) {
        for (name, appended) in [
            ("x-forwarded-for", &b"203.0.113.9"[..]),
            ("x-forwarded-for", b"203.0.113.9, 10.0.0.7"),
            ("forwarded", b"for=203.0.113.9"),
            ("forwarded", b"by=\"[2001:db8::7]\";for=\"203.0.113.9:80\";host=\"a\\\",b\", for=10.0.0.7"),
        ] {
            // In the same line, or in one of its own.
            let joined = [&left[..], b", ", appended].concat();
            prop_assert_eq!(client("10.0.0.1", &[(name, &joined)]), "203.0.113.9");
            prop_assert_eq!(client("10.0.0.1", &[(name, &other), (name, &left), (name, appended)]), "203.0.113.9");
        }
    }

    #[test]
    fn nothing_that_is_written_counts_from_a_peer_that_is_no_proxy(one in written(), other in written()) {
        let lines: [(&str, &[u8]); 2] = [("x-forwarded-for", &one), ("forwarded", &other)];
        prop_assert_eq!(client("203.0.113.9", &lines), "203.0.113.9");
        // And from one that is it does not panic.
        client("10.0.0.1", &lines);
        client("10.0.0.1", &lines[1..]);
    }
}
