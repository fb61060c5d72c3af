//! What one message to everybody in a room costs.

use serde_json::json;

use crate::crowd::Crowd;
use crate::fault::Fault;
use crate::options::{Fanout, Rate};
use crate::stage::{Pace, Sizes, Stage};

pub(crate) async fn run(options: &Fanout) -> Result<(), Fault> {
    let Fanout { rooms, members, senders, payload, .. } = *options;
    let crowd = Crowd::gather(&options.server).await?;
    let sizes = Sizes { rooms, members, senders: senders.min(members), payload };
    let stage = Stage::set(&crowd, &options.server, sizes, options.poll).await?;
    let (pace, rate) = match options.rate {
        Rate::Fixed(rate) => (Pace::Fixed(rate), json!(rate)),
        Rate::Max => (Pace::Outstanding(options.outstanding), json!("max")),
    };
    let mut faults = 0;
    if !options.windows.warmup.is_zero() {
        faults += stage.window(pace, options.windows.warmup).await?.warmed_up();
    }
    for number in 0..options.windows.repeat {
        let window = stage.window(pace, options.windows.secs).await?;
        let fields = json!({ "window": number, "rooms": rooms, "members": members,
            "senders": sizes.senders, "rate": rate, "payload": payload });
        window.tell("fanout", fields, options.server.print.json);
        faults += window.faults.count();
    }
    match faults {
        0 => Ok(()),
        _ => Err(Fault::new(format!("{faults} faults; see above"))),
    }
}
