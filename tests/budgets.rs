//! Budgets of callers, on a node.

use crate::api_node::ApiNode;
use crate::support::access::token;
use crate::support::eventually;
use serde_json::{Value, json};

#[actix::test]
async fn a_caller_beyond_its_budget_waits_and_the_others_do_not() {
    let flags = ["--listen", "127.0.0.1:0", "--caller-budget", "100000"];
    let node = ApiNode::start_with(&flags).await;
    let sql = node.database.client().await;
    let [runaway, other] = [token(&sql, "VIEWER").await, token(&sql, "VIEWER").await];
    let ask = async |token: &str| {
        let query = json!({"query": "{ jobsPage(first: 200) { nodes { id name } } }"});
        let request = node.http.post(format!("{}/graphql", node.url));
        let answer = request
            .bearer_auth(token)
            .json(&query)
            .send()
            .await
            .unwrap();
        answer.json::<Value>().await.unwrap()["errors"][0].clone()
    };
    let error = eventually("the budget is spent", async || {
        Some(ask(&runaway).await).filter(|error| !error.is_null())
    })
    .await;
    assert_eq!(error["extensions"]["code"], "THROTTLED", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("100000 in a minute"), "{message}");
    assert_eq!(ask(&other).await, Value::Null);
}
