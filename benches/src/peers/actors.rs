//! The actor libraries, each in a process of its own.

use super::tokio::runtime;
use crate::bench::{Outcome, median};
use crate::child::{self, Errand};
use crate::rows::resident_bytes;
use std::time::Instant;

pub(crate) const ERRANDS: [Errand; 3] =
    [("actor-kameo", kameo_child), ("actor-ractor", ractor_child), ("actor-actix", actix_child)];

const CALLS: usize = 20_000;
const PIPED: usize = 1_000_000;
const ACTORS: usize = 100_000;

/// The median time of `$call`, awaited in turn.
macro_rules! asked {
    ($call:expr) => {{
        let mut times = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let begun = Instant::now();
            $call;
            times.push(begun.elapsed().as_secs_f64());
        }
        median(times)
    }};
}

/// Says the middle time of three.
macro_rules! thrice {
    ($key:literal, $what:block) => {{
        let mut times = Vec::new();
        for _ in 0..3 {
            let begun = Instant::now();
            $what
            times.push(begun.elapsed().as_secs_f64());
        }
        child::say($key, median(times));
    }};
}

mod with_kameo {
    use kameo::prelude::*;

    #[derive(Actor, Default)]
    pub(super) struct Counter {
        n: u64,
    }

    pub(super) struct Add(pub(super) u64);

    impl Message<Add> for Counter {
        type Reply = u64;
        async fn handle(&mut self, Add(by): Add, _: &mut Context<Self, u64>) -> u64 {
            self.n += by;
            self.n
        }
    }
}

fn kameo_child() -> Outcome {
    use ::kameo::actor::Spawn;
    use ::kameo::mailbox;
    use with_kameo::{Add, Counter};
    let runtime = runtime()?;
    let spawn = || Counter::spawn_with_mailbox(Counter::default(), mailbox::unbounded());
    runtime.block_on(runtime.spawn(async move {
        let before = resident_bytes()?;
        let begun = Instant::now();
        let actors: Vec<_> = (0..ACTORS).map(|_| spawn()).collect();
        let mut pending = Vec::with_capacity(ACTORS);
        for actor in &actors {
            pending.push(actor.ask(Add(1)).enqueue().await?);
        }
        for reply in pending {
            reply.await?;
        }
        child::say("actor.asked", begun.elapsed().as_secs_f64() / ACTORS as f64);
        child::say("actor.bytes", (resident_bytes()? - before) / actors.len() as f64);
        Ok::<_, crate::bench::Fault>(())
    }))??;
    let counter = runtime.block_on(async { spawn() });
    let from_task = {
        let counter = counter.clone();
        runtime.block_on(runtime.spawn(async move {
            Ok::<_, crate::bench::Fault>(asked!(counter.ask(Add(1)).send().await?))
        }))??
    };
    child::say("actor.async", from_task);
    child::say("actor.task", from_task);
    let times = {
        let mut times = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let begun = Instant::now();
            runtime.block_on(counter.ask(Add(1)).send())?;
            times.push(begun.elapsed().as_secs_f64());
        }
        times
    };
    child::say("actor.main", median(times));
    runtime.block_on(runtime.spawn(async move {
        thrice!("actor.piped", {
            let mut pending = Vec::with_capacity(PIPED);
            for _ in 0..PIPED {
                pending.push(counter.ask(Add(1)).enqueue().await?);
            }
            for reply in pending {
                reply.await?;
            }
        });
        thrice!("actor.told", {
            for _ in 0..PIPED {
                counter.tell(Add(1)).try_send()?;
            }
            counter.ask(Add(0)).send().await?;
        });
        Ok::<_, crate::bench::Fault>(())
    }))?
}

mod with_ractor {
    use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

    pub(super) struct Counter;

    pub(super) enum Add {
        Asked(u64, RpcReplyPort<u64>),
        Told(u64),
    }

    impl Actor for Counter {
        type Msg = Add;
        type State = u64;
        type Arguments = ();
        async fn pre_start(&self, _: ActorRef<Add>, (): ()) -> Result<u64, ActorProcessingErr> {
            Ok(0)
        }
        async fn handle(
            &self,
            _: ActorRef<Add>,
            message: Add,
            n: &mut u64,
        ) -> Result<(), ActorProcessingErr> {
            match message {
                Add::Told(by) => *n += by,
                Add::Asked(by, reply) => {
                    *n += by;
                    reply.send(*n)?;
                }
            }
            Ok(())
        }
    }
}

fn ractor_child() -> Outcome {
    use ::ractor::{Actor as _, ActorRef, concurrency::oneshot};
    use with_ractor::{Add, Counter};
    async fn ask(counter: &ActorRef<Add>) -> Outcome<u64> {
        let (reply, answer) = oneshot();
        counter.send_message(Add::Asked(1, reply.into()))?;
        Ok(answer.await?)
    }
    let runtime = runtime()?;
    runtime.block_on(runtime.spawn(async move {
        let before = resident_bytes()?;
        let begun = Instant::now();
        let mut actors = Vec::with_capacity(ACTORS);
        for _ in 0..ACTORS {
            actors.push(Counter::spawn(None, Counter, ()).await?.0);
        }
        for actor in &actors {
            ask(actor).await?;
        }
        child::say("actor.asked", begun.elapsed().as_secs_f64() / ACTORS as f64);
        child::say("actor.bytes", (resident_bytes()? - before) / actors.len() as f64);
        Ok::<_, crate::bench::Fault>(())
    }))??;
    let (counter, _) = runtime.block_on(Counter::spawn(None, Counter, ()))?;
    let from_task = {
        let counter = counter.clone();
        runtime
            .block_on(runtime.spawn(async move {
                Ok::<_, crate::bench::Fault>(asked!(ask(&counter).await?))
            }))??
    };
    child::say("actor.async", from_task);
    child::say("actor.task", from_task);
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begun = Instant::now();
        runtime.block_on(ask(&counter))?;
        times.push(begun.elapsed().as_secs_f64());
    }
    child::say("actor.main", median(times));
    runtime.block_on(runtime.spawn(async move {
        thrice!("actor.piped", {
            let mut pending = Vec::with_capacity(PIPED);
            for _ in 0..PIPED {
                let (reply, answer) = oneshot();
                counter.send_message(Add::Asked(1, reply.into()))?;
                pending.push(answer);
            }
            for answer in pending {
                answer.await?;
            }
        });
        thrice!("actor.told", {
            for _ in 0..PIPED {
                counter.send_message(Add::Told(1))?;
            }
            ask(&counter).await?;
        });
        Ok::<_, crate::bench::Fault>(())
    }))?
}

mod with_actix {
    use actix::prelude::*;

    #[derive(Default)]
    pub(super) struct Counter {
        n: u64,
    }

    pub(super) struct Add(pub(super) u64);
    impl Message for Add {
        type Result = u64;
    }

    impl Actor for Counter {
        type Context = Context<Self>;
        fn started(&mut self, context: &mut Context<Self>) {
            context.set_mailbox_capacity(usize::MAX >> 4);
        }
    }

    impl Handler<Add> for Counter {
        type Result = u64;
        fn handle(&mut self, Add(by): Add, _: &mut Context<Self>) -> u64 {
            self.n += by;
            self.n
        }
    }
}

/// On one thread, the actor's own, where actix is at its best.
fn actix_child() -> Outcome {
    use ::actix::Actor as _;
    use with_actix::{Add, Counter};
    ::actix::System::new().block_on(async {
        let counter = Counter::default().start();
        let from_task = asked!(counter.send(Add(1)).await?);
        child::say("actor.async", from_task);
        child::say("actor.task", from_task);
        thrice!("actor.piped", {
            let pending: Vec<_> = (0..PIPED).map(|_| counter.send(Add(1))).collect();
            for reply in pending {
                reply.await?;
            }
        });
        thrice!("actor.told", {
            (0..PIPED).for_each(|_| counter.do_send(Add(1)));
            counter.send(Add(0)).await?;
        });
        Ok(())
    })
}
