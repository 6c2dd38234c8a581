//! Where a webhook cannot go, tried from outside: what is refused must not
//! leave a trace at a listener on all of this machine's addresses.

use crate::http_handler::{CANARY, OK, allowing_loopback, attempt, message, post, succeeded};
use crate::sink::Sink;
use horolog::handlers::{Egress, Handlers, OwnService, RunContext};
use url::Url;

/// Hosts by kind, as the URL standard, resolvers and tunnels may spell them.
const NOT_PUBLIC: [&str; 5] = [
    // loopback
    "127.0.0.1 127.0.0.1. 127.1 127.0.1 127.255.255.254 2130706433 0x7f.1 0x7f000001 0177.0.0.1 \
     017700000001 127.0x0.0.01 127%2e0.0.1 ①②⑦.⓪.⓪.① 127。0。0。1 localhost LOCALHOST loc%61lhost \
     [::1] \
     [0:0:0:0:0:0:0:1]",
    // wrapped
    "[::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [::ffff:169.254.169.254] \
     [64:ff9b::a9fe:a9fe] \
     [64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2001:0:53aa:64c::1]",
    // unspecified
    "0 0.0.0.0 0.1.2.3 [::]",
    // private, carrier, link-local, metadata
    "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.100.100.200 169.254.169.254 \
     2852039166 \
     0xa9.0xfe.0xa9.0xfe 168.63.129.16 192.0.0.192 [fd00:ec2::254] [fc00::1] [fe80::1] [fec0::1]",
    // documentation, benchmarks, multicast, reserved, broadcast
    "192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255 [ff02::1] \
     [2001:db8::1]",
];

/// The same for every host, so that the message does not reveal which hosts exist.
const REFUSED: &str =
    "there is no such host, or webhooks may not reach it (--http-allow); the node's log says which";

fn guarded() -> Handlers {
    Handlers::new(Egress::default()).expect("handlers")
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_in_every_spelling() {
    let (handlers, sink) = (guarded(), Sink::start().await);
    for host in NOT_PUBLIC.iter().flat_map(|hosts| hosts.split_whitespace()) {
        for scheme in ["http", "https"] {
            let url: Url = format!("{scheme}://{host}:{}/", sink.port)
                .parse()
                .expect(host);
            let message = message(
                handlers
                    .run(&attempt(post(url)), RunContext::default())
                    .await,
            );
            assert!(message.ends_with(REFUSED), "{host}: {message}");
        }
    }
    let dotted: Url = format!("http://localhost.:{}/", sink.port)
        .parse()
        .expect("a URL");
    message(
        handlers
            .run(&attempt(post(dotted)), RunContext::default())
            .await,
    );
    // some resolvers know it, some do not; none may connect
    sink.expect_untouched().await;
}

#[tokio::test]
async fn a_name_is_judged_by_its_addresses() {
    let sink = Sink::start().await;
    let url: Url = format!("http://localhost:{}/", sink.port)
        .parse()
        .expect("a URL");
    let both = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a network"));
    let handlers = Handlers::new(Egress {
        networks: both.to_vec(),
        ..Egress::default()
    })
    .expect("handlers");
    let attempt = attempt(post(url));
    let (outcome, _) = tokio::join!(
        handlers.run(&attempt, RunContext::default()),
        sink.answer(OK)
    );
    assert_eq!(outcome, succeeded("done"));
    let elsewhere = Handlers::new(Egress {
        networks: vec!["10.0.0.0/8".parse().expect("a network")],
        ..Egress::default()
    })
    .expect("handlers");
    assert!(message(elsewhere.run(&attempt, RunContext::default()).await).ends_with(REFUSED));
    sink.expect_untouched().await;
}

#[tokio::test]
async fn a_host_that_there_is_not_is_refused_as_one_that_is_private() {
    let handlers = guarded();
    for host in [
        "10.0.0.1",
        "169.254.169.254",
        "localhost",
        "no-such-host.invalid",
    ] {
        let url: Url = format!("http://{host}/").parse().expect("a URL");
        let message = message(
            handlers
                .run(&attempt(post(url)), RunContext::default())
                .await,
        );
        assert_eq!(
            message,
            format!("could not connect to http://{host}:80: {REFUSED}")
        );
    }
}

#[tokio::test]
async fn own_api_and_database_are_refused_as_targets_by_name_and_address() {
    let sink = Sink::start().await;
    let networks: Vec<_> = ["0.0.0.0/0", "::/0"]
        .map(|net| net.parse().expect("a network"))
        .to_vec();
    for host in ["127.0.0.1", "0.0.0.0", "localhost"] {
        let own = vec![OwnService {
            host: host.to_owned(),
            port: sink.port,
        }];
        let handlers = Handlers::new(Egress {
            networks: networks.clone(),
            own,
            ..Egress::default()
        })
        .expect("handlers");
        for target in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0"] {
            let url: Url = format!("http://{target}:{}/", sink.port)
                .parse()
                .expect("a URL");
            let message = message(
                handlers
                    .run(&attempt(post(url)), RunContext::default())
                    .await,
            );
            assert!(message.ends_with(REFUSED), "{host} by {target}: {message}");
        }
    }
    sink.expect_untouched().await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (handlers, sink, elsewhere) = (
        allowing_loopback(),
        Sink::start().await,
        Sink::start().await,
    );
    for status in [301, 302, 303, 307, 308] {
        let attempt = attempt(post(sink.url("/")));
        let location = elsewhere.url(&format!("/?{CANARY}"));
        let response =
            format!("HTTP/1.1 {status} x\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let (outcome, _) = tokio::join!(
            handlers.run(&attempt, RunContext::default()),
            sink.answer(&response)
        );
        let message = message(outcome);
        assert!(
            message.ends_with("; redirects are not followed") && !message.contains(CANARY),
            "{message}"
        );
    }
    elsewhere.expect_untouched().await;
}

#[tokio::test]
async fn proxy_variables_have_no_effect() {
    let proxy = Sink::start().await;
    let url = proxy.url("/").to_string();
    // A process of its own: the variables of this one belong to all tests.
    let mut child = tokio::process::Command::new(std::env::current_exe().expect("the test binary"));
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        child.env(name, &url);
    }
    child
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .kill_on_drop(true);
    let output = child
        .args(["--exact", "http_egress::redirects_are_not_followed"])
        .output()
        .await
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    proxy.expect_untouched().await;
}
