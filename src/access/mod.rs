//! Access: who a caller is. Passwords, API tokens, sessions, the throttle of sign-ins.
//!
//! What a caller may do is in `api::access`; [`crate::model::access`] has the roles.

pub mod authenticator;
mod cache;
pub mod openid;
pub mod password;
mod random;
mod refusals;
pub mod session;
pub mod throttle;
pub mod token;

pub use authenticator::{
    AuthenticationError, Authenticator, Credential, Identity, SetUpError, SignInError,
};
pub use password::Password;
pub use session::{CurrentSession, NewSession};
