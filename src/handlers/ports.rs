//! Ports of other protocols, in which an HTTP request may be a command: they also end lines with
//! line feeds.

/// Ports that browsers refuse (<https://fetch.spec.whatwg.org/#bad-port>), and those of databases,
/// caches, queues and remote desktops. In order.
const OTHER_PROTOCOLS: [u16; 102] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    445, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989,
    990, 993, 995, 1433, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 3268, 3306, 3389, 3659, 4045,
    4190, 5060, 5061, 5432, 5672, 6000, 6379, 6432, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697,
    9042, 9092, 10_080, 11_211, 27_017, 27_018, 27_019, 33_060,
];

/// Whether webhooks to a port are refused unless the operator lists it.
pub(super) fn is_of_another_protocol(port: u16) -> bool {
    OTHER_PROTOCOLS.binary_search(&port).is_ok()
}

#[cfg(test)]
mod tests {
    use super::OTHER_PROTOCOLS;

    #[test]
    fn the_list_is_in_order() {
        assert!(OTHER_PROTOCOLS.is_sorted());
    }
}
