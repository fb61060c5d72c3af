//! What a connection at rest takes of the server's memory.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::crowd::Crowd;
use crate::fault::Fault;
use crate::machine::{Meter, resident};
use crate::options::Idle;

/// Connections of one room.
const ROOM: u32 = 10;
/// How long the server has to come to rest.
const SETTLING: Duration = Duration::from_secs(3);
const WATCHED: Duration = Duration::from_secs(5);

pub(crate) async fn run(options: &Idle) -> Result<(), Fault> {
    let pid = options.server.pid.ok_or_else(|| Fault::new("idle needs the server's --pid"))?;
    let crowd = Crowd::gather(&options.server).await?;
    let rooms = crowd.make_rooms(options.connections.div_ceil(ROOM), ROOM).await?;
    // Accounts and rooms are there before; what is counted is connections.
    let before = resident(pid)?;
    let began = Instant::now();
    let connecting = Meter::start(Some(pid))?;
    let clients = crowd.fill(&rooms, ROOM).await?;
    let (took, used) = (began.elapsed().as_secs_f64(), connecting.read());
    tokio::time::sleep(SETTLING).await;
    let after = resident(pid)?;
    let resting = Meter::start(Some(pid))?;
    tokio::time::sleep(WATCHED).await;
    let at_rest = resting.read().server.unwrap_or_default().as_secs_f64() / WATCHED.as_secs_f64();
    let count = clients.len() as f64;
    let each = after.saturating_sub(before) as f64 / count;
    let connect = used.server.unwrap_or_default().as_secs_f64() * 1e6 / count;
    eprintln!(
        "idle   {count} connections: {each:.2} KiB each ({before} to {after} KiB); {:.0} came in a \
         second, for {connect:.0} µs of the server's CPU each; at rest it is {:.1} % busy",
        count / took,
        at_rest * 100.0
    );
    if options.server.print.json {
        let said = json!({ "shape": "idle", "connections": count, "kib_per_connection": each,
            "resident_before_kib": before, "resident_after_kib": after,
            "connects_per_s": count / took, "cpu_us_per_connect": connect, "cpu_at_rest": at_rest });
        println!("{said}");
    }
    Ok(())
}
