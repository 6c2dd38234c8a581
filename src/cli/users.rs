//! `horolog user`: users, for the first admin and for the case that none can sign in.

use super::CLEAN;
use super::access::{ClusterDatabase, carried_out, grant, print_table, role, time};
use super::output::say;
use crate::access::Password;
use crate::actors::job_manager::Command;
use crate::actors::job_manager::accounts::{CreateUser, DeleteUser, SetPassword, UpdateUser};
use crate::model::access::{NamespaceRoles, Role, roles_in_words};
use crate::store::Store;
use crate::store::access::users::{UserChange, UserRecord};
use anyhow::Context;
use clap::{Args, Subcommand};
use std::io::{BufRead, Read};

/// Longest line that is read as a password.
const LINE_BYTES_MAX: u64 = 4_096;

/// A command about users.
#[derive(Debug, Args)]
pub struct UserConfig {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Creates a user with a random password, which is printed once.
    Create {
        /// Name at the sign-in: from 1 to 100 characters without white space.
        name: String,
        /// Role in the whole cluster: MONITOR, VIEWER, OPERATOR, EDITOR or ADMIN.
        #[arg(long, value_parser = role, required_unless_present_any = ["admin", "grant"])]
        role: Option<Role>,
        /// The same as --role ADMIN.
        #[arg(long, conflicts_with = "role")]
        admin: bool,
        /// Role in a namespace: NAMESPACE=ROLE. May be given several times.
        #[arg(long, value_name = "NAMESPACE=ROLE", value_parser = grant)]
        grant: Vec<(String, Role)>,
        /// Reads the password from standard input, one line, instead of a random one.
        #[arg(long)]
        password_stdin: bool,
        /// Without a password: only a trusted proxy can name the user.
        #[arg(long, conflicts_with = "password_stdin")]
        no_password: bool,
        #[command(flatten)]
        database: ClusterDatabase,
    },
    /// Prints all users.
    List {
        #[command(flatten)]
        database: ClusterDatabase,
    },
    /// Replaces the password with a random one, which is printed once; ends the user's sessions.
    SetPassword {
        /// The user.
        name: String,
        /// Reads the password from standard input, one line, instead of a random one.
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        database: ClusterDatabase,
    },
    /// Changes the role in the whole cluster, or replaces the roles in namespaces.
    SetRole {
        /// The user.
        name: String,
        /// Role in the whole cluster: MONITOR, VIEWER, OPERATOR, EDITOR or ADMIN.
        #[arg(long, value_parser = role, required_unless_present = "grant")]
        role: Option<Role>,
        /// Role in a namespace: NAMESPACE=ROLE. May be given several times.
        #[arg(long, value_name = "NAMESPACE=ROLE", value_parser = grant)]
        grant: Vec<(String, Role)>,
        #[command(flatten)]
        database: ClusterDatabase,
    },
    /// Stops sign-ins and sessions of the user until `enable`.
    Disable {
        /// The user.
        name: String,
        #[command(flatten)]
        database: ClusterDatabase,
    },
    /// Allows sign-ins again; earlier sessions do not come back.
    Enable {
        /// The user.
        name: String,
        #[command(flatten)]
        database: ClusterDatabase,
    },
    /// Deletes the user with all sessions. API tokens that the user has created stay.
    Delete {
        /// The user.
        name: String,
        #[command(flatten)]
        database: ClusterDatabase,
    },
}

/// A password, and whether the operator has to be told.
struct ChosenPassword {
    password: Password,
    is_generated: bool,
}

/// Carries out a command about users.
pub async fn run(config: UserConfig) -> Result<i32, anyhow::Error> {
    match config.command {
        UserCommand::Create {
            name,
            role,
            admin,
            grant,
            password_stdin,
            no_password,
            database,
        } => {
            // The password comes first: after a bad one the database is untouched.
            let password = (!no_password).then(|| ChosenPassword::choose(password_stdin));
            let password = password.transpose()?;
            let store = database.store("createUser").await?;
            let create = CreateUser {
                name,
                role: if admin { Some(Role::Admin) } else { role },
                namespace_roles: NamespaceRoles::validate(grant)?,
                password: password.as_ref().map(|chosen| chosen.password.clone()),
            };
            self::create(&store, create, password).await
        }
        UserCommand::List { database } => {
            let store = database.store("users").await?;
            list(&store).await
        }
        UserCommand::SetPassword {
            name,
            password_stdin,
            database,
        } => {
            let password = ChosenPassword::choose(password_stdin)?;
            let store = database.store("setPassword").await?;
            set_password(&store, &name, password).await
        }
        UserCommand::SetRole {
            name,
            role,
            grant,
            database,
        } => {
            let store = database.store("updateUser").await?;
            let roles = NamespaceRoles::validate(grant)?;
            let change = UserChange {
                // Without --role the role in the cluster stays; only the API takes a role away.
                role: role.map(Some),
                // Without --grant the roles in namespaces stay.
                namespace_roles: Some(roles).filter(|roles| !roles.is_empty()),
                is_disabled: None,
            };
            update(&store, &name, change).await
        }
        UserCommand::Disable { name, database } => {
            let store = database.store("updateUser").await?;
            update(&store, &name, disabled(true)).await
        }
        UserCommand::Enable { name, database } => {
            let store = database.store("updateUser").await?;
            update(&store, &name, disabled(false)).await
        }
        UserCommand::Delete { name, database } => {
            let store = database.store("deleteUser").await?;
            delete(&store, &name).await
        }
    }
}

fn disabled(is_disabled: bool) -> UserChange {
    UserChange {
        is_disabled: Some(is_disabled),
        ..UserChange::default()
    }
}

async fn create(
    store: &Store,
    create: CreateUser,
    password: Option<ChosenPassword>,
) -> Result<i32, anyhow::Error> {
    let user = carried_out(create.carry_out(store).await)?;
    say(format_args!(
        "user {} with the role {} is created",
        user.name,
        roles_in_words(user.role, &user.namespace_roles)
    ));
    if let Some(password) = password {
        password.print();
    }
    Ok(CLEAN)
}

async fn list(store: &Store) -> Result<i32, anyhow::Error> {
    let rows: Vec<_> = store.users().await?.into_iter().map(row).collect();
    let heads = [
        "NAME",
        "ROLE",
        "STATE",
        "PASSWORD",
        "LAST SIGN-IN",
        "CREATED BY",
    ];
    print_table(heads, &rows);
    Ok(CLEAN)
}

fn row(user: UserRecord) -> [String; 6] {
    let state = if user.is_disabled {
        "disabled"
    } else {
        "enabled"
    };
    let password = if user.has_password { "yes" } else { "no" };
    [
        user.name,
        roles_in_words(user.role, &user.namespace_roles),
        state.to_owned(),
        password.to_owned(),
        time(user.last_sign_in_at),
        user.created_by,
    ]
}

async fn set_password(
    store: &Store,
    name: &str,
    chosen: ChosenPassword,
) -> Result<i32, anyhow::Error> {
    let set = SetPassword {
        user_id: user(store, name).await?.id,
        password: chosen.password.clone(),
        // Every session ends: the old password may be known to others.
        spared: None,
    };
    carried_out(set.carry_out(store).await)?;
    say(format_args!(
        "user {name} has a new password, and no session"
    ));
    chosen.print();
    Ok(CLEAN)
}

async fn update(store: &Store, name: &str, change: UserChange) -> Result<i32, anyhow::Error> {
    let update = UpdateUser {
        id: user(store, name).await?.id,
        change,
    };
    let user = carried_out(update.carry_out(store).await)?;
    let state = if user.is_disabled {
        "disabled"
    } else {
        "enabled"
    };
    say(format_args!(
        "user {name} has the role {}, and is {state}",
        roles_in_words(user.role, &user.namespace_roles)
    ));
    Ok(CLEAN)
}

async fn delete(store: &Store, name: &str) -> Result<i32, anyhow::Error> {
    let user = user(store, name).await?;
    carried_out(DeleteUser(user.id).carry_out(store).await)?;
    say(format_args!("user {name} is deleted"));
    Ok(CLEAN)
}

async fn user(store: &Store, name: &str) -> Result<UserRecord, anyhow::Error> {
    let user = store.user_named(name).await?;
    user.with_context(|| format!("there is no user `{}`", name.escape_debug()))
}

impl ChosenPassword {
    /// A random password, or the first line of standard input.
    fn choose(from_stdin: bool) -> Result<Self, anyhow::Error> {
        if !from_stdin {
            return Ok(Self {
                password: Password::generate(),
                is_generated: true,
            });
        }
        let mut line = String::new();
        let mut input = std::io::stdin().lock().take(LINE_BYTES_MAX);
        input
            .read_line(&mut line)
            .context("cannot read the password from standard input")?;
        let text = line.strip_suffix('\n').unwrap_or(&line);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Ok(Self {
            password: Password::chosen("password", text.to_owned())?,
            is_generated: false,
        })
    }

    fn print(&self) {
        // The operator knows a chosen password, and a screen may have other readers.
        if self.is_generated {
            say(format_args!(
                "password, shown this once: {}",
                self.password.expose()
            ));
        }
    }
}
