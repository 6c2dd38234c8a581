//! A node behind a proxy with a path in front of its addresses.

use crate::api_node::ApiNode;
use crate::live::Socket;
use crate::support::eventually;
use serde_json::{Value, json};

#[actix::test]
async fn a_node_below_a_path_answers_with_and_without_the_path() {
    let node =
        ApiNode::start_with(&["--listen", "127.0.0.1:0", "--base-path", "/ops/horolog/"]).await;
    eventually("the node is ready", async || {
        (node.status("/readyz").await == 200).then_some(())
    })
    .await;
    for base in ["", "/ops/horolog"] {
        for path in [
            "/healthz",
            "/readyz",
            "/metrics",
            "/cluster/members",
            "/",
            "/?x=1",
        ] {
            assert_eq!(
                node.status(&format!("{base}{path}")).await,
                200,
                "{base}{path}"
            );
        }
        let query = json!({"query": "query($id: ID!) { jobLogs(jobId: $id) { id } }",
            "variables": {"id": "x"}});
        for path in ["/graphql", "/scheduler-instance/graphql"] {
            let answer = node
                .http
                .post(format!("{}{base}{path}", node.url))
                .json(&query)
                .send()
                .await
                .unwrap();
            assert_eq!(
                answer.json::<Value>().await.unwrap()["errors"][0]["extensions"]["field"],
                "jobId"
            );
        }
        let page = node
            .http
            .get(format!("{}{base}/", node.url))
            .header("accept", "text/html")
            .send()
            .await
            .unwrap();
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        let page = page.text().await.unwrap();
        let addresses = page.split("=\"/").skip(1).collect::<Vec<_>>();
        assert!(
            !addresses.is_empty()
                && addresses
                    .iter()
                    .all(|rest| rest.starts_with("ops/horolog/")),
            "{page}"
        );
        let mut socket = Socket::open(&format!("{}{base}", node.url), Some(&node.url))
            .await
            .unwrap();
        socket
            .subscribe("1", "subscription { overviewUpdated { dueNow } }")
            .await;
        assert_eq!(socket.event().await["overviewUpdated"]["dueNow"], 0);
    }
    for strange in [
        "/ops/horologist/healthz",
        "/ops/healthz",
        "/ops/horolog/ops/horolog/healthz",
    ] {
        assert_eq!(node.status(strange).await, 404, "{strange}");
    }
}
