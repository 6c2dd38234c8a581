//! An idempotent webhook receiver in Rust: each execution has its effect once. Of other crates it
//! uses `ring` and `base64`, for signatures.
//!
//! ```sh
//! cargo run --example receiver_rust ledger.tsv 9000
//! ```
//!
//! The ledger is a file with one line for each accepted attempt: attempt, key, 1 for an effect. A
//! line is the effect and its record at once, so that a crash leaves both or none. A service with a
//! database writes them in one transaction instead.
//!
//! With the variable `WEBHOOK_SECRET` (one or two `whsec_…`, with a space between them) it takes
//! signed requests only.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest head of a request, in bytes.
const HEAD_MAX: u64 = 16 * 1024;
/// Longest body of a request, in bytes: the limit of a payload.
const BODY_MAX: u64 = 256 * 1024;
/// Longest difference between the time of a signature and the clock of this machine, in seconds.
const TOLERANCE: u64 = 5 * 60;
/// Time limit of a read or a write.
const PATIENCE: Duration = Duration::from_secs(10);

/// The record of an execution.
#[derive(Default)]
struct Execution {
    /// The highest attempt that was accepted.
    attempt: u64,
    has_effect: bool,
}

/// The answer to a delivery.
#[derive(Clone, Copy)]
enum Outcome {
    Done,
    AlreadyDone,
    Stale,
}

struct Ledger {
    file: File,
    executions: HashMap<String, Execution>,
}

impl Ledger {
    /// Reads the ledger. A last line without an end is the rest of a crash: its effect has not
    /// happened.
    fn open(path: &str) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        let mut executions = HashMap::<String, Execution>::new();
        for line in text[..whole].lines() {
            let mut columns = line.split('\t');
            let (Some(attempt), Some(key), Some(effect)) =
                (columns.next(), columns.next(), columns.next())
            else {
                return Err(io::Error::other(format!("not a line of a ledger: {line}")));
            };
            let execution = executions.entry(key.to_owned()).or_default();
            execution.attempt = attempt.parse().map_err(io::Error::other)?;
            execution.has_effect |= effect == "1";
        }
        Ok(Self { file, executions })
    }

    /// One delivery. The caller holds the lock, so two deliveries of a key follow each other.
    fn accept(&mut self, key: &str, attempt: u64) -> io::Result<Outcome> {
        let known = self.executions.get(key);
        // A node that was frozen may deliver an old attempt after a newer one.
        if known.is_some_and(|execution| attempt < execution.attempt) {
            return Ok(Outcome::Stale);
        }
        let has_effect = known.is_some_and(|execution| execution.has_effect);
        if known.is_none_or(|execution| execution.attempt < attempt) {
            self.write(key, attempt, !has_effect)?;
        }
        Ok(if has_effect {
            Outcome::AlreadyDone
        } else {
            Outcome::Done
        })
    }

    /// The effect and its record, on disk before the answer: an answer of 200 is never asked for
    /// again.
    fn write(&mut self, key: &str, attempt: u64, effect: bool) -> io::Result<()> {
        self.file
            .write_all(format!("{attempt}\t{key}\t{}\n", u8::from(effect)).as_bytes())?;
        self.file.sync_data()?;
        let execution = self.executions.entry(key.to_owned()).or_default();
        execution.attempt = attempt;
        execution.has_effect |= effect;
        Ok(())
    }

    /// The keys that had their effect.
    fn effects(&self) -> String {
        let done = self
            .executions
            .iter()
            .filter(|(_, execution)| execution.has_effect);
        done.flat_map(|(key, _)| [key.as_str(), "\n"]).collect()
    }
}

struct Request {
    first_line: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

/// The keys of the signing secrets: the old and the new one while one replaces the other.
struct Keys(Vec<hmac::Key>);

impl Keys {
    fn read(text: &str) -> io::Result<Self> {
        let keys = text.split_whitespace().map(|secret| {
            let bytes = BASE64_STANDARD.decode(secret.trim_start_matches("whsec_"));
            let bytes = bytes.map_err(io::Error::other)?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        });
        keys.collect::<io::Result<_>>().map(Self)
    }

    /// Whether one of the signatures (Standard Webhooks) is that of one of the keys. The bytes of
    /// the body are those that were sent, not parsed.
    fn have_signed(&self, request: &Request) -> bool {
        let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
        let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let is_recent = time
            .parse::<u64>()
            .is_ok_and(|time| now.as_secs().abs_diff(time) <= TOLERANCE);
        let signed = [format!("{id}.{time}.").as_bytes(), &request.body].concat();
        let given = header("webhook-signature").split(' ');
        let mut signatures =
            given.filter_map(|text| BASE64_STANDARD.decode(text.strip_prefix("v1,")?).ok());
        // `verify` compares in constant time.
        is_recent
            && signatures.any(|signature| {
                self.0
                    .iter()
                    .any(|key| hmac::verify(key, &signed, &signature).is_ok())
            })
    }
}

impl Request {
    /// Reads a request with its body.
    fn read(stream: &TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(stream.take(HEAD_MAX));
        let mut first_line = String::new();
        reader.read_line(&mut first_line)?;
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length: u64 = headers
            .get("content-length")
            .map_or(Ok(0), |text| text.parse())
            .map_err(io::Error::other)?;
        if length > BODY_MAX {
            return Err(io::Error::other("a body that is too long"));
        }
        reader.get_mut().set_limit(length);
        let mut body = Vec::new();
        reader.take(length).read_to_end(&mut body)?;
        Ok(Self {
            first_line,
            headers,
            body,
        })
    }

    /// The key and the attempt of a delivery; none when one is missing or malformed.
    fn delivery(&self) -> Option<(&str, u64)> {
        let key = self.headers.get("idempotency-key")?;
        let is_plain = key.len() <= 64
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let attempt = self.headers.get("horolog-attempt")?.parse().ok()?;
        (!key.is_empty() && is_plain && attempt > 0).then_some((key.as_str(), attempt))
    }
}

/// Status and body of the answer.
fn answer(request: &Request, keys: &Keys, ledger: &Mutex<Ledger>) -> (&'static str, String) {
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    if request.first_line.starts_with("GET ") {
        return ("200 OK", ledger.effects());
    }
    if !keys.0.is_empty() && !keys.have_signed(request) {
        return (
            "401 Unauthorized",
            "the signature is not valid\n".to_owned(),
        );
    }
    let Some((key, attempt)) = request.delivery() else {
        return (
            "400 Bad Request",
            "Idempotency-Key and Horolog-Attempt are required\n".to_owned(),
        );
    };
    let (status, text) = match ledger.accept(key, attempt) {
        Ok(Outcome::Done) => ("200 OK", "done\n"),
        Ok(Outcome::AlreadyDone) => ("200 OK", "already done\n"),
        Ok(Outcome::Stale) => ("409 Conflict", "stale\n"),
        Err(error) => {
            eprintln!("cannot write the ledger: {error}");
            // Whether the line is on disk is unknown: only a new start, which reads the file, can
            // tell.
            std::process::exit(1);
        }
    };
    (status, text.to_owned())
}

fn serve(mut stream: TcpStream, keys: &Keys, ledger: &Mutex<Ledger>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = Request::read(&stream)?;
    let (status, body) = answer(&request, keys, ledger);
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes())
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "ledger.tsv".to_owned());
    let port = arguments
        .next()
        .map_or(Ok(0), |text| text.parse())
        .map_err(io::Error::other)?;
    let keys = std::env::var("WEBHOOK_SECRET").unwrap_or_default();
    let keys = Arc::new(Keys::read(&keys)?);
    let ledger = Arc::new(Mutex::new(Ledger::open(&path)?));
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening on http://{}/", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, keys, ledger) = (stream?, Arc::clone(&keys), Arc::clone(&ledger));
        std::thread::spawn(move || {
            if let Err(error) = serve(stream, &keys, &ledger) {
                eprintln!("a request was not answered: {error}");
            }
        });
    }
    Ok(())
}
