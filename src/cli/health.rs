//! `horolog health`: whether a node is ready, for containers without another HTTP client.

use super::output::say;
use super::{CLEAN, FAILED};
use anyhow::Context;
use clap::Args;
use std::time::Duration;

/// Longest wait for the answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Settings of the command.
#[derive(Debug, Clone, Args)]
pub struct HealthConfig {
    /// What to ask.
    #[arg(long, default_value = "http://127.0.0.1:8081/readyz")]
    url: String,
}

/// Prints the answer. Exit code 0: the node is ready.
pub async fn run(config: HealthConfig) -> Result<i32, anyhow::Error> {
    // Fails only if there is a provider already: then that one is used.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let client = reqwest::Client::builder()
        // A proxy of the environment would not reach the node in this container.
        .no_proxy()
        .timeout(TIMEOUT)
        .build()?;
    let answer = client
        .get(&config.url)
        .send()
        .await
        .with_context(|| format!("{} does not answer", config.url))?;
    let is_good = answer.status().is_success();
    // The exit code is the answer; the text only tells the reason.
    say(answer.text().await.unwrap_or_default());
    Ok(if is_good { CLEAN } else { FAILED })
}
