//! An OpenID provider: discovery, keys, authorization with PKCE, tokens with real signatures. It
//! can do each of these wrong.

use actix_web::dev::ServerHandle;
use actix_web::http::header::{AUTHORIZATION, LOCATION};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use ring::{digest, hmac, rsa};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use url::Url;
use url::form_urlencoded::{byte_serialize, parse};

pub const CLIENT_ID: &str = "horolog at work";
pub const CLIENT_SECRET: &str = "a secret: 100 % ü&=";
const RSA_KEY: &[u8] = include_bytes!("../data/openid_rsa.der");
/// Larger than any answer that a node reads.
const HUGE: usize = 300 * 1024;

/// What the provider does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    Nonce,
    NoNonce,
    Audience,
    SecondAudience,
    Issuer,
    Expired,
    OfTheFuture,
    NoSubject,
    Unsigned,
    /// HS256 with the public key, which is public.
    PublicKeyAsSecret,
    /// HS256 with the client secret, which OpenID Connect would allow.
    ClientSecret,
    /// A key of the right name that is another one.
    ForeignKey,
    UnknownKey,
    ChangedClaims,
    NoIdToken,
    InvalidGrant,
    InvalidClient,
    ServerError,
    NotJson,
    HugeTokens,
    Silent,
    SilentAboutItself,
    Redirects,
}

/// The provider; it ends with the test.
pub struct OpenIdProvider {
    pub issuer: String,
    state: Arc<Mutex<State>>,
    server: ServerHandle,
}

struct State {
    issuer: String,
    fault: Fault,
    key: Key,
    claims: Value,
    codes: HashMap<String, Request>,
    issued: usize,
    /// Requests by path.
    requests: HashMap<&'static str, usize>,
    /// The discovery document, if it is another one.
    discovery: Option<Value>,
}

/// An authorization that the browser has a code for.
struct Request {
    challenge: String,
    nonce: String,
    redirect_uri: String,
}

/// The key of the provider.
enum Key {
    Es256 { name: String, pair: EcdsaKeyPair },
    Rs256 { name: String, pair: RsaKeyPair },
}

impl OpenIdProvider {
    /// A provider on `localhost`: another site than a node on 127.0.0.1.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let state = Arc::new(Mutex::new(State {
            issuer: issuer.clone(),
            fault: Fault::None,
            key: Key::es256("first"),
            claims: json!({"sub": "1234", "preferred_username": "ada", "groups": ["ops"]}),
            codes: HashMap::new(),
            issued: 0,
            requests: HashMap::new(),
            discovery: None,
        }));
        let data = web::Data::new(state.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route(
                    "/.well-known/openid-configuration",
                    web::get().to(discovery),
                )
                .route("/keys", web::get().to(keys))
                .route("/authorize", web::get().to(authorize))
                .route("/token", web::post().to(token))
        });
        let server = server
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap();
        let server = server.run();
        let handle = server.handle();
        actix::spawn(server);
        Self {
            issuer,
            state,
            server: handle,
        }
    }

    pub fn does_wrong(&self, fault: Fault) {
        self.state.lock().fault = fault;
    }

    /// What the provider says of the person who signs in from now on.
    pub fn says(&self, claims: Value) {
        self.state.lock().claims = claims;
    }

    /// Signs with another key of this name from now on.
    pub fn rotate(&self, name: &str) {
        self.state.lock().key = Key::es256(name);
    }

    pub fn use_rsa(&self) {
        self.state.lock().key = Key::rs256("rsa");
    }

    /// Replaces members of the discovery document.
    pub fn describes_itself(&self, members: Value) {
        self.state.lock().discovery = Some(members);
    }

    /// Number of requests for a path.
    pub fn requests(&self, path: &str) -> usize {
        let state = self.state.lock();
        state.requests.get(path).copied().unwrap_or_default()
    }

    /// Ends: from now on there is no listener.
    pub async fn stop(&self) {
        self.server.stop(false).await;
    }
}

impl Key {
    fn es256(name: &str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::Es256 {
            name: name.to_owned(),
            pair: EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap(),
        }
    }

    fn rs256(name: &str) -> Self {
        Self::Rs256 {
            name: name.to_owned(),
            pair: RsaKeyPair::from_der(RSA_KEY)
                .or_else(|_| RsaKeyPair::from_pkcs8(RSA_KEY))
                .unwrap(),
        }
    }

    fn header(&self) -> Value {
        match self {
            Self::Es256 { name, .. } => json!({"alg": "ES256", "kid": name, "typ": "JWT"}),
            Self::Rs256 { name, .. } => json!({"alg": "RS256", "kid": name, "typ": "JWT"}),
        }
    }

    fn public(&self) -> Value {
        match self {
            Self::Es256 { name, pair } => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": name, "alg": "ES256",
                    "x": encode(&point[1..33]), "y": encode(&point[33..])})
            }
            Self::Rs256 { name, pair } => {
                let rsa::PublicKeyComponents { n, e } =
                    rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "use": "sig", "kid": name, "alg": "RS256",
                    "n": encode(&n), "e": encode(&e)})
            }
        }
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256 { pair, .. } => {
                let signature = pair.sign(&random, text.as_bytes()).unwrap();
                signature.as_ref().to_vec()
            }
            Self::Rs256 { pair, .. } => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
        }
    }
}

impl State {
    fn count(&mut self, path: &'static str) {
        *self.requests.entry(path).or_default() += 1;
    }

    /// The ID token of a person, with the present fault.
    fn id_token(&self, nonce: &str) -> String {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let mut claims = self.claims.clone();
        claims["iss"] = json!(self.issuer);
        claims["aud"] = json!(CLIENT_ID);
        claims["iat"] = json!(now);
        claims["exp"] = json!(now + 300);
        claims["nonce"] = json!(nonce);
        let mut header = self.key.header();
        match self.fault {
            Fault::Nonce => claims["nonce"] = json!("another"),
            Fault::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
            Fault::Audience => claims["aud"] = json!("another"),
            Fault::SecondAudience => claims["aud"] = json!([CLIENT_ID, "another"]),
            Fault::Issuer => claims["iss"] = json!("http://localhost:1"),
            Fault::Expired => claims["exp"] = json!(now - 120),
            Fault::OfTheFuture => claims["iat"] = json!(now + 3_600),
            Fault::NoSubject => claims["sub"] = json!(""),
            Fault::Unsigned => header = json!({"alg": "none"}),
            Fault::PublicKeyAsSecret | Fault::ClientSecret => header["alg"] = json!("HS256"),
            Fault::UnknownKey => header["kid"] = json!("unknown"),
            _ => {}
        }
        let text = format!("{}.{}", encode_json(&header), encode_json(&claims));
        let signature = match self.fault {
            Fault::Unsigned => Vec::new(),
            Fault::PublicKeyAsSecret => mac(&public_bytes(&self.key), &text),
            Fault::ClientSecret => mac(CLIENT_SECRET.as_bytes(), &text),
            Fault::ForeignKey => Key::es256("first").sign(&text),
            _ => self.key.sign(&text),
        };
        if self.fault == Fault::ChangedClaims {
            claims["groups"] = json!(["root"]);
            let text = format!("{}.{}", encode_json(&header), encode_json(&claims));
            return format!("{text}.{}", encode(&signature));
        }
        format!("{text}.{}", encode(&signature))
    }
}

fn public_bytes(key: &Key) -> Vec<u8> {
    match key {
        Key::Es256 { pair, .. } => pair.public_key().as_ref().to_vec(),
        Key::Rs256 { pair, .. } => pair.public_key().as_ref().to_vec(),
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn encode_json(value: &Value) -> String {
    encode(value.to_string().as_bytes())
}

type Shared = web::Data<Arc<Mutex<State>>>;

async fn discovery(state: Shared) -> HttpResponse {
    if matches!(state.lock().fault, Fault::SilentAboutItself) {
        return std::future::pending().await;
    }
    let mut state = state.lock();
    state.count("/.well-known/openid-configuration");
    let issuer = &state.issuer;
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
    });
    if let Some(members) = &state.discovery {
        for (name, value) in members.as_object().unwrap() {
            document[name] = value.clone();
        }
    }
    HttpResponse::Ok().json(document)
}

async fn keys(state: Shared) -> HttpResponse {
    let mut state = state.lock();
    state.count("/keys");
    // Keys of kinds that a client does not know stand in the sets of real providers.
    let unknown = json!({"kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "pub": "AAAA"});
    HttpResponse::Ok().json(json!({"keys": [unknown, state.key.public()]}))
}

/// The person signs in at once and says yes.
async fn authorize(request: HttpRequest, state: Shared) -> HttpResponse {
    let mut state = state.lock();
    state.count("/authorize");
    let query: HashMap<_, _> = parse(request.query_string().as_bytes())
        .into_owned()
        .collect();
    let value = |name: &str| query.get(name).cloned().unwrap_or_default();
    let is_openid = value("scope").split(' ').any(|scope| scope == "openid");
    assert_eq!(value("client_id"), CLIENT_ID);
    assert_eq!(value("response_type"), "code");
    assert_eq!(value("code_challenge_method"), "S256");
    assert!(is_openid, "{query:?}");
    state.issued += 1;
    let code = format!("code-{}", state.issued);
    let mut back = Url::parse(&value("redirect_uri")).unwrap();
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &value("state"))
        .append_pair("iss", &state.issuer);
    let authorized = Request {
        challenge: value("code_challenge"),
        nonce: value("nonce"),
        redirect_uri: value("redirect_uri"),
    };
    state.codes.insert(code, authorized);
    HttpResponse::Found()
        .insert_header((LOCATION, back.as_str()))
        .finish()
}

async fn token(request: HttpRequest, body: web::Bytes, state: Shared) -> HttpResponse {
    let fault = {
        let mut state = state.lock();
        state.count("/token");
        state.fault
    };
    match fault {
        Fault::Silent => std::future::pending().await,
        Fault::Redirects if request.query_string() != "moved" => {
            return HttpResponse::TemporaryRedirect()
                .insert_header((LOCATION, "/token?moved"))
                .finish();
        }
        Fault::ServerError => return HttpResponse::InternalServerError().body("<h1>sorry</h1>"),
        Fault::NotJson => {
            return HttpResponse::Ok()
                .content_type("text/html")
                .body("<h1>hi</h1>");
        }
        Fault::HugeTokens => return HttpResponse::Ok().json(json!({"a": "a".repeat(HUGE)})),
        Fault::InvalidGrant => return refuse("invalid_grant"),
        Fault::InvalidClient => return refuse("invalid_client"),
        _ => {}
    }
    let form: HashMap<_, _> = parse(&body).into_owned().collect();
    let value = |name: &str| form.get(name).cloned().unwrap_or_default();
    if !is_client(&request) {
        return refuse("invalid_client");
    }
    let mut state = state.lock();
    // A code counts once.
    let Some(authorized) = state.codes.remove(&value("code")) else {
        return refuse("invalid_grant");
    };
    let verifier = value("code_verifier");
    let challenge = encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref());
    if challenge != authorized.challenge
        || value("redirect_uri") != authorized.redirect_uri
        || value("grant_type") != "authorization_code"
    {
        return refuse("invalid_grant");
    }
    let mut answer = json!({"access_token": "opaque", "token_type": "Bearer", "expires_in": 300});
    if fault != Fault::NoIdToken {
        answer["id_token"] = json!(state.id_token(&authorized.nonce));
    }
    HttpResponse::Ok().json(answer)
}

fn refuse(error: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({"error": error}))
}

/// Whether the request has the id and the secret of the client (RFC 6749, 2.3.1).
fn is_client(request: &HttpRequest) -> bool {
    let escaped = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let credentials = format!("{}:{}", escaped(CLIENT_ID), escaped(CLIENT_SECRET));
    let expected = format!("Basic {}", STANDARD.encode(credentials));
    let found = request.headers().get(AUTHORIZATION);
    found.is_some_and(|found| found.as_bytes() == expected.as_bytes())
}
