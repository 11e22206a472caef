//! tarpc with bincode over TCP.

use crate::{Add, IN_FLIGHT, Outcome};
use futures_util::StreamExt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport};

#[tarpc::service]
trait Counter {
    async fn add(by: u64) -> u64;
}

#[derive(Clone, Default)]
struct Server(Arc<AtomicU64>);

impl Counter for Server {
    async fn add(self, _: context::Context, by: u64) -> u64 {
        self.0.fetch_add(by, Ordering::Relaxed) + by
    }
}

pub(crate) async fn serve(listen: IpAddr) -> Outcome {
    let mut listener = serde_transport::tcp::listen((listen, 0), Bincode::default).await?;
    println!("{}", listener.local_addr());
    let server = Server::default();
    while let Some(transport) = listener.next().await {
        let calls = BaseChannel::with_defaults(transport?).execute(server.clone().serve());
        tokio::spawn(calls.for_each(async |call| drop(tokio::spawn(call))));
    }
    Ok(())
}

#[derive(Clone)]
pub(crate) struct Client(CounterClient);

impl Client {
    pub(crate) async fn dial(address: &str) -> Outcome<Client> {
        let address: SocketAddr = address.parse()?;
        let transport = serde_transport::tcp::connect(address, Bincode::default).await?;
        let mut config = client::Config::default();
        config.pending_request_buffer = 2 * IN_FLIGHT;
        Ok(Client(CounterClient::new(config, transport).spawn()))
    }
}

impl Add for Client {
    async fn add(&mut self, by: u64) -> Outcome<u64> {
        Ok(self.0.add(context::current(), by).await?)
    }
}
