//! Rebuilds when a migration is added, or the dashboard was built again:
//! `embed_migrations!` and `RustEmbed` track the files they know, not new ones.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    // A path that is not there would make every build a full one. It stays
    // empty until `make dashboard`; where it cannot be made, nothing is built either.
    drop(std::fs::create_dir_all("static/dist"));
    println!("cargo:rerun-if-changed=static/dist");
}
