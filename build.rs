//! Rebuilds when a migration is added: `embed_migrations!` tracks the files it
//! knows, not new ones.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
