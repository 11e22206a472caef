//! kameo's remote actors, over libp2p's TCP, noise and yamux.

use crate::Outcome;
use futures_util::StreamExt;
use kameo::actor::Spawn;
use kameo::prelude::*;
use kameo::remote::{Behaviour, messaging};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, SwarmBuilder, noise, tcp, yamux};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::{Duration, Instant};

const NAME: &str = "counter";

#[derive(Actor, RemoteActor, Default)]
struct Counter {
    n: u64,
}

#[derive(Serialize, Deserialize)]
struct By(u64);

#[remote_message]
impl Message<By> for Counter {
    type Reply = u64;
    async fn handle(&mut self, By(by): By, _: &mut Context<Self, u64>) -> u64 {
        self.n += by;
        self.n
    }
}

#[derive(NetworkBehaviour)]
struct Road {
    kameo: Behaviour,
}

fn swarm() -> Outcome<Swarm<Road>> {
    let swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key| Road {
            kameo: Behaviour::new(key.public().to_peer_id(), messaging::Config::default()),
        })?
        .build();
    swarm.behaviour().kameo.try_init_global()?;
    Ok(swarm)
}

pub(crate) async fn serve(listen: IpAddr) -> Outcome {
    let mut swarm = swarm()?;
    swarm.listen_on(format!("/ip4/{listen}/tcp/0").parse()?)?;
    let own = *swarm.local_peer_id();
    let road = tokio::spawn(async move {
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                swarm.add_external_address(address.clone());
                println!("{address}/p2p/{own}");
            }
        }
    });
    let counter = Counter::spawn(Counter::default());
    counter.register(NAME).await?;
    Ok(road.await?)
}

#[derive(Clone)]
pub(crate) struct Client(RemoteActorRef<Counter>);

impl Client {
    pub(crate) async fn dial(address: &str) -> Outcome<Client> {
        let mut swarm = swarm()?;
        let address: Multiaddr = address.parse()?;
        let Some(Protocol::P2p(peer)) = address.iter().last() else {
            return Err("no peer in the address".into());
        };
        swarm.add_peer_address(peer, address.clone());
        swarm.dial(address)?;
        tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if let Ok(Some(counter)) = RemoteActorRef::<Counter>::lookup(NAME).await {
                return Ok(Client(counter));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("the actor is not found".into())
    }
}

impl crate::Add for Client {
    async fn add(&mut self, by: u64) -> Outcome<u64> {
        Ok(self.0.ask(&By(by)).await?)
    }
}
