//! probe
use horolog_protocol::model::Protocol;
use horolog_protocol::reachability::Graph;
use horolog_protocol::*;
use horolog_protocol::safeguards::Safeguard;
use stateright::{Checker, Model};

fn check(name: &str, protocol: &Protocol) {
    let t = std::time::Instant::now();
    let checker = protocol.clone().checker().spawn_bfs().join();
    println!("{name}: {} states, depth {}, {:?}", checker.unique_state_count(), checker.max_depth(), t.elapsed());
    for p in protocol.properties() {
        let d = checker.discovery(p.name);
        let bad = d.is_some() == p.expectation.discovery_is_failure();
        if bad { println!("  {:?} {} -> {}", p.expectation, p.name, d.is_some());
          if let Some(path) = d { for (_, a) in path.clone().into_vec() { if let Some(a) = a { println!("     {a}"); } } println!("     = {}", path.last_state()); }
        }
    }
}
fn live(name: &str, protocol: &Protocol) {
    let t = std::time::Instant::now();
    let g = Graph::explore(protocol);
    let stuck = g.stuck();
    println!("{name}: graph {} {:?} stuck {}", g.len(), t.elapsed(), stuck.is_some());
    if let Some(b) = stuck { for a in &b.steps { println!("     {a}"); } println!("     = {}", b.end); }
}
#[test]
fn probe() {
    for (t, n) in [(2,0),(1,1), (2,1),(1,2)] {
        check(&format!("whole {t} {n}"), &Protocol::whole(t, n));
        live(&format!("whole {t} {n}"), &Protocol::whole(t,n));
        check(&format!("failover {t} {n}"), &Protocol::whole(t,n).with_failover());
    }
}
#[test]
fn removed() {
    for s in Safeguard::ALL {
        let p = Protocol::whole(1,std::env::var("FAULTS").map_or(1, |f| f.parse().unwrap())).without(s);
        println!("######## {s}");
        check("", &p); live("", &p);
    }
}
