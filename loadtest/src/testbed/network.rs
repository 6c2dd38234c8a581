//! Separate machines on one machine: a network namespace for each node, joined by a bridge. For
//! root alone, and only with `ip` (iproute2); cuts without a trace need nothing else, filters need
//! `nft`.

use anyhow::{Context, ensure};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// A bridge with an address for the servers and the sink. Removed when dropped.
pub struct Bridge {
    name: String,
    subnet: u8,
}

/// A namespace on a bridge. Removed when dropped.
pub struct Namespace {
    name: String,
    bridge: String,
    /// The bridge's end of the wire.
    port: String,
    ip: IpAddr,
}

/// Why the machine cannot have namespaces; none if it can.
pub async fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces are for root");
    }
    let works = Command::new("ip")
        .args(["netns", "list"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    if works.is_ok_and(|status| status.success()) {
        None
    } else {
        Some("there is no `ip` (Debian: apt-get install iproute2)")
    }
}

impl Bridge {
    /// A bridge of this process's own.
    pub async fn create() -> Result<Self, anyhow::Error> {
        let id = std::process::id();
        let bridge = Self {
            // Two drills at the same time have bridges of their own; the kernel takes 15
            // characters.
            name: format!("hd{}", id % 100_000),
            subnet: u8::try_from(id % 250).unwrap_or(0) + 1,
        };
        ip(&["link", "add", &bridge.name, "type", "bridge"]).await?;
        ip(&[
            "addr",
            "add",
            &format!("{}/24", bridge.ip()),
            "dev",
            &bridge.name,
        ])
        .await?;
        ip(&["link", "set", &bridge.name, "up"]).await?;
        Ok(bridge)
    }

    /// The address of the harness on the bridge.
    pub fn ip(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 213, self.subnet, 1))
    }

    /// A namespace for node `number`.
    pub async fn namespace(&self, number: usize) -> Result<Namespace, anyhow::Error> {
        let last = u8::try_from(number + 1).context("too many nodes")?;
        let namespace = Namespace {
            name: format!("{}n{number}", self.name),
            bridge: self.name.clone(),
            port: format!("{}v{number}", self.name),
            ip: IpAddr::V4(Ipv4Addr::new(10, 213, self.subnet, last)),
        };
        let (name, port) = (namespace.name.as_str(), namespace.port.as_str());
        ip(&["netns", "add", name]).await?;
        ip(&[
            "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name,
        ])
        .await?;
        ip(&["link", "set", port, "master", &self.name, "up"]).await?;
        ip(&[
            "-n",
            name,
            "addr",
            "add",
            &format!("{}/24", namespace.ip),
            "dev",
            "eth0",
        ])
        .await?;
        ip(&["-n", name, "link", "set", "eth0", "up"]).await?;
        ip(&["-n", name, "link", "set", "lo", "up"]).await?;
        Ok(namespace)
    }
}

impl Namespace {
    /// The address of the namespace on the bridge.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// A command that runs `program` in the namespace.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        // `ip netns exec` becomes the program: signals reach it.
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Pulls the plug: no reset, no message, everything sent is lost.
    pub async fn cut(&self) -> Result<(), anyhow::Error> {
        ip(&["link", "set", &self.port, "nomaster"]).await
    }

    /// Plugs the cable in again.
    pub async fn join(&self) -> Result<(), anyhow::Error> {
        ip(&["link", "set", &self.port, "master", &self.bridge]).await
    }

    /// Drops packets to this namespace from a port of the bridge's address, or a share of them: a
    /// filter of nft, e.g. `tcp sport 5432 drop`.
    pub async fn filter(&self, rule: &str) -> Result<(), anyhow::Error> {
        let script = format!(
            "table inet drill {{\n chain input {{\n  type filter hook input priority 0\n \
             {rule}\n }}\n}}\n"
        );
        let file = std::env::temp_dir().join(format!("{}.nft", self.name));
        std::fs::write(&file, script)?;
        let loaded = self.nft(&["-f", &file.display().to_string()]).await;
        let _ = std::fs::remove_file(&file);
        loaded
    }

    /// Removes the filter again.
    pub async fn unfilter(&self) -> Result<(), anyhow::Error> {
        self.nft(&["delete", "table", "inet", "drill"]).await
    }

    async fn nft(&self, arguments: &[&str]) -> Result<(), anyhow::Error> {
        let nft = ["/usr/sbin/nft", "/sbin/nft"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let nft = nft.context("there is no `nft` (Debian: apt-get install nftables)")?;
        let output = self
            .command(Path::new(nft))
            .args(arguments)
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "nft: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }
}

async fn ip(arguments: &[&str]) -> Result<(), anyhow::Error> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .await
        .context("cannot run `ip`")?;
    ensure!(
        output.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn ip_now(arguments: &[&str]) {
    // A bridge that is already gone needs no removal.
    let _ = std::process::Command::new("ip")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip_now(&["netns", "del", &self.name]);
        ip_now(&["link", "del", &self.port]);
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        ip_now(&["link", "del", &self.name]);
    }
}
