//! The hosts to which a secret may be sent.

use super::InvalidInput;
use std::fmt;
use url::{Host, Url};

/// Most hosts of a secret.
pub const SECRET_HOSTS_MAX: usize = 20;

/// A host as called by jobs: `api.example.com`, or `api.example.com:8443`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretHost {
    host: String,
    /// Default: the port of the scheme, 443 or 80.
    port: Option<u16>,
}

impl SecretHost {
    /// A host of a list in the input. `index` is the place in the list.
    fn parse(index: usize, text: &str) -> Result<Self, InvalidInput> {
        let refused = |problem: String| InvalidInput::of_member("hosts", index, problem);
        let (host, port) = match text.rsplit_once(':') {
            // The colons of an IPv6 address stand in brackets.
            Some((host, port)) if !port.ends_with(']') && !host.is_empty() => {
                let port: u16 = port
                    .parse()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or_else(|| refused("has a port that is not 1 to 65535".to_owned()))?;
                (host, Some(port))
            }
            _ => (text, None),
        };
        // The parser removes or decodes characters; an entry must be taken literally.
        let is_plain = host
            .chars()
            .all(|char| char.is_alphanumeric() || ".-_[]:".contains(char));
        let host = Host::parse(host).ok().filter(|_| is_plain).ok_or_else(|| {
            refused("must be a host, such as api.example.com or api.example.com:8443".into())
        })?;
        Ok(Self {
            host: host.to_string(),
            port,
        })
    }

    /// The hosts of an input, without repetitions.
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>, InvalidInput> {
        if texts.is_empty() || texts.len() > SECRET_HOSTS_MAX {
            return Err(InvalidInput::new(
                "hosts",
                format!("must be 1 to {SECRET_HOSTS_MAX} hosts that the secret is sent to"),
            ));
        }
        let mut hosts = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let host = Self::parse(index, text)?;
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        Ok(hosts)
    }

    /// A host as stored; none for another text.
    pub fn stored(text: &str) -> Option<Self> {
        Self::parse(0, text).ok()
    }

    /// Whether requests to the address go to the host.
    pub fn is_of(&self, url: &Url) -> bool {
        url.host_str() == Some(self.host.as_str())
            && match self.port {
                Some(port) => url.port_or_known_default() == Some(port),
                // The parser leaves out the port of the scheme.
                None => url.port().is_none(),
            }
    }
}

impl fmt::Display for SecretHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Host and port of an address, for messages.
pub fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_exact_and_has_the_port_of_the_scheme_unless_it_names_one() {
        let cases = [
            ("a.example", "https://a.example/x", true),
            ("A.Example", "https://a.example/", true),
            ("a.example", "http://a.example:80/", true),
            ("a.example", "https://a.example:443/", true),
            ("a.example", "https://a.example:8443/", false),
            ("a.example", "http://a.example:443/", false),
            ("a.example", "https://b.a.example/", false),
            ("a.example", "https://a.example.evil/", false),
            ("a.example", "https://a.example./", false),
            ("a.example:8443", "https://a.example:8443/", true),
            ("a.example:8443", "https://a.example/", false),
            ("a.example:443", "https://a.example/", true),
            ("bücher.example", "https://xn--bcher-kva.example/", true),
            ("[::1]:9", "http://[::1]:9/", true),
            ("[::1]", "http://[::1]/", true),
            ("127.0.0.1:9", "http://127.0.0.1:9/", true),
        ];
        for (host, url, is_of) in cases {
            let hosts = SecretHost::parse_all(&[host.to_owned()]).expect(host);
            assert_eq!(
                hosts[0].is_of(&url.parse().expect(url)),
                is_of,
                "{host} {url}"
            );
            let stored = SecretHost::stored(&hosts[0].to_string());
            assert_eq!(stored.as_ref(), hosts.first(), "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_its_place() {
        for text in [
            "",
            "*",
            "*.example.com",
            "a.example/",
            "https://a.example",
            "u@a.example",
            "a.example:0",
            "a.example:x",
            "a.example:99999",
            "a b",
            "a%2eb",
            ":80",
            "::1",
        ] {
            let texts = ["ok.example".to_owned(), text.to_owned()];
            let refused = SecretHost::parse_all(&texts).expect_err(text);
            assert_eq!(refused.field, "hosts.1", "{text}");
        }
        assert!(SecretHost::parse_all(&[]).is_err());
        let many = vec!["a.example".to_owned(); SECRET_HOSTS_MAX + 1];
        assert!(SecretHost::parse_all(&many).is_err());
        let twice = ["a.example".to_owned(), "A.example".to_owned()];
        assert_eq!(
            SecretHost::parse_all(&twice).map(|hosts| hosts.len()),
            Ok(1)
        );
    }
}
