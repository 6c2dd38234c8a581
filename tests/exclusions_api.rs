//! Calendars and blackouts over GraphQL.

use crate::api_node::ApiNode;
use serde_json::json;

#[actix::test]
async fn calendars_and_blackouts_are_made_shown_and_ended_over_graphql() {
    let node = ApiNode::start().await;
    let create = "mutation($input: CalendarInput!) { createCalendar(input: $input) {
        name timeZone version jobs excludeDates includeWeekdays excludeWindows {
        from to weekdays } } }";
    let input = json!({"name": "holidays", "timeZone": "europe/berlin", "excludeDates": ["12-25"],
        "includeWeekdays": ["MONDAY"],
            "excludeWindows": [{"from": "22:00", "to": "06:00", "weekdays": ["FRIDAY"]}]});
    let expected = json!({"name": "holidays", "timeZone": "Europe/Berlin", "version": 0, "jobs": 0,
        "excludeDates": ["12-25"],
        "includeWeekdays": ["MONDAY"],
            "excludeWindows": [{"from": "22:00", "to": "06:00", "weekdays": ["FRIDAY"]}]});
    assert_eq!(
        node.data(create, json!({"input": input})).await["createCalendar"],
        expected
    );
    let update = "mutation($input: CalendarInput!) { updateCalendar(input: $input, \
        version: 0) { version excludeDates } }";
    let updated = node
        .data(
            update,
            json!({"input": {"name": "holidays", "excludeDates": []}}),
        )
        .await;
    assert_eq!(
        updated["updateCalendar"],
        json!({"version": 1, "excludeDates": []})
    );
    assert_eq!(
        node.error(update, json!({"input": {"name": "holidays"}}))
            .await["extensions"]["code"],
        "CONFLICT"
    );
    let bad = node
        .error(
            create,
            json!({"input": {"name": "x", "excludeDates": ["tomorrow"]}}),
        )
        .await;
    assert_eq!(
        (&bad["extensions"]["code"], &bad["extensions"]["field"]),
        (&json!("BAD_USER_INPUT"), &json!("excludeDates.0"))
    );

    let preview =
        "query($input: CreateJobInput!) { previewSchedule(input: $input, count: 2) { fireTimes } }";
    let sundays = json!({"input": {"name": "sundays", "includeWeekdays": ["SUNDAY"]}});
    node.data(create, sundays).await;
    let input = json!({"name": "x", "scheduleType": "CRON", "cronExpression": "0 12 * * *",
        "calendar": "sundays"});
    let fire_times =
        node.data(preview, json!({"input": input})).await["previewSchedule"]["fireTimes"].clone();
    let times: Vec<chrono::DateTime<chrono::Utc>> = serde_json::from_value(fire_times).unwrap();
    assert_eq!(times.len(), 2);
    assert!(
        times
            .iter()
            .all(|time| chrono::Datelike::weekday(time) == chrono::Weekday::Sun),
        "{times:?}"
    );

    let job = node.create(input).await;
    let next = "query($id: ID!) { job(id: $id) { calendar nextFireTime nextFireTimes(count: 2) } }";
    let shown = node.data(next, json!({"id": job})).await["job"].clone();
    assert_eq!(
        (&shown["calendar"], &shown["nextFireTime"]),
        (&json!("sundays"), &shown["nextFireTimes"][0])
    );
    assert_eq!(
        shown["nextFireTimes"],
        json!(
            times
                .iter()
                .map(|time| horolog::model::rfc3339(*time))
                .collect::<Vec<_>>()
        )
    );

    let create = "mutation($input: BlackoutInput!) { createBlackout(input: $input) { id tag \
        onEnd reason } }";
    let forever = json!({"input": {"reason": "move", "endsAt": "2099-01-01T00:00:00Z"}});
    assert_eq!(
        node.error(create, forever).await["extensions"]["field"],
        "endsAt"
    );
    let both = json!({"input": {"reason": "move", "endsAt": "2099-01-01T00:00:00Z", "tag": "a",
        "jobId": job}});
    assert_eq!(
        node.error(create, both).await["extensions"]["field"],
        "jobId"
    );
    let soon = horolog::model::rfc3339(times[0]);
    let made = node
        .data(
            create,
            json!({"input": {"reason": "move", "endsAt": soon, "tag": "mail"}}),
        )
        .await;
    assert_eq!(
        (
            &made["createBlackout"]["tag"],
            &made["createBlackout"]["onEnd"]
        ),
        (&json!("mail"), &json!("COLLAPSE"))
    );
    let id = &made["createBlackout"]["id"];
    let later = horolog::model::rfc3339(times[1]);
    let moved =
        "mutation($id: ID!, $at: DateTime!) { setBlackoutEnd(id: $id, endsAt: $at) { endsAt } }";
    let moved = node.data(moved, json!({"id": id, "at": later})).await;
    assert_eq!(moved["setBlackoutEnd"]["endsAt"], later);
    node.data(
        "mutation($id: ID!) { endBlackout(id: $id) { endsAt } }",
        json!({"id": id}),
    )
    .await;
    let shown = node
        .data("{ blackouts { id reason } calendars { name } }", json!({}))
        .await;
    assert_eq!(shown["blackouts"], json!([{"id": id, "reason": "move"}]));
    assert_eq!(
        shown["calendars"],
        json!([{"name": "holidays"}, {"name": "sundays"}])
    );

    let delete = "mutation($name: String!) { deleteCalendar(name: $name) }";
    assert_eq!(
        node.error(delete, json!({"name": "sundays"})).await["extensions"]["code"],
        "CONFLICT"
    );
    assert_eq!(
        node.data(delete, json!({"name": "holidays"})).await,
        json!({"deleteCalendar": true})
    );
    assert_eq!(
        node.error(delete, json!({"name": "holidays"})).await["extensions"]["code"],
        "NOT_FOUND"
    );
}

const NEXT: &str =
    "query($id: ID!, $n: Int!) { job(id: $id) { nextFireTime nextFireTimes(count: $n) } }";

/// The next fire time of a job, and the list of which it is the first.
async fn next(node: &ApiNode, id: &serde_json::Value) -> Vec<String> {
    let shown = node.data(NEXT, json!({"id": id, "n": 12})).await["job"].clone();
    assert_eq!(shown["nextFireTime"], shown["nextFireTimes"][0]);
    serde_json::from_value(shown["nextFireTimes"].clone()).unwrap()
}

#[actix::test]
async fn next_fire_time_is_the_first_of_next_fire_times_under_blackouts() {
    let node = ApiNode::start().await;
    let monthly = json!({"name": "x", "scheduleType": "CRON", "cronExpression": "0 0 1 * *"});
    let id = json!(node.create(monthly).await);
    let open = next(&node, &id).await;
    assert_eq!(open.len(), 12);
    // From the first of them until a day after the third.
    let ends_at = open[2].replace("-01T", "-02T");
    let create = "mutation($input: BlackoutInput!) { createBlackout(input: $input) { id } }";
    let blackout = async |on_end: &str| {
        let input = json!({"reason": "move", "startsAt": open[0], "endsAt": ends_at,
            "onEnd": on_end, "jobId": id});
        node.data(create, json!({"input": input})).await["createBlackout"]["id"].clone()
    };

    for (on_end, shown) in [
        ("SKIP", &open[3..]),
        ("COLLAPSE", &open[2..]),
        ("RUN_ALL", &open[..]),
    ] {
        let made = blackout(on_end).await;
        assert_eq!(next(&node, &id).await[..9], shown[..9], "{on_end}");
        node.data(
            "mutation($id: ID!) { endBlackout(id: $id) { id } }",
            json!({"id": made}),
        )
        .await;
        assert_eq!(
            next(&node, &id).await,
            open,
            "it was cancelled before it began"
        );
    }
    blackout("SKIP").await;
    let listed =
        "{ jobs { nextFireTime nextFireTimes(count: 1) } jobsPage { nodes { nextFireTime } } }";
    let listed = node.data(listed, json!({})).await;
    assert_eq!(
        listed["jobs"],
        json!([{"nextFireTime": open[3], "nextFireTimes": [open[3]]}])
    );
    assert_eq!(
        listed["jobsPage"]["nodes"],
        json!([{"nextFireTime": open[3]}])
    );
}
