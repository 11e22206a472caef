//! Waits that can never end because of waits on other nodes.

use super::*;

/// It calls the next of its kind, and waits.
#[raykit::remote]
struct Link {
    next: Option<LinkHandle>,
}

#[raykit::remote]
impl Link {
    pub fn new() -> Self {
        Link { next: None }
    }
    pub fn set(&mut self, next: LinkHandle) {
        self.next = Some(next);
    }
    pub fn goes_round(&mut self, left: u32) -> crate::Result<u32> {
        match &self.next {
            Some(next) if left > 0 => Ok(next.goes_round(left - 1).get()? + 1),
            _ => Ok(0),
        }
    }
    pub async fn awaits_round(&mut self, left: u32) -> crate::Result<u32> {
        match self.next.clone() {
            Some(next) if left > 0 => Ok(next.awaits_round(left - 1).await? + 1),
            _ => Ok(0),
        }
    }
    pub fn lets_go(&mut self) {
        self.next = None;
    }
}

fn ring(members: &[&Joined]) -> Vec<LinkHandle> {
    let links: Vec<LinkHandle> =
        members.iter().map(|member| Link::options().strategy(at(member)).remote()).collect();
    for (link, next) in links.iter().zip(links.iter().cycle().skip(1)) {
        link.set(next).get().unwrap();
    }
    links
}

/// The youngest waiter of a circle gets the error, within 5 seconds, and all others go on.
#[test]
fn a_circle_over_several_nodes_ends_in_an_error() {
    let mut world = World::new();
    let members = [world.join(2), world.join(2), world.join(2)];
    let all: Vec<&Joined> = members.iter().collect();
    here(&members[0], || {
        for nodes in [&all[..2], &all[..], &all[1..]] {
            let links = ring(nodes);
            // As far as it goes without meeting itself: no error.
            let far = nodes.len() as u32 - 1;
            assert_eq!(links[0].goes_round(far).get().unwrap(), far);
            // One more step meets the first one, which waits.
            let began = Instant::now();
            let error = links[0].goes_round(far + 1).get().unwrap_err();
            println!("found after {:?}", began.elapsed());
            assert!(error.is_deadlock() || error.to_string().contains("never end"), "{error}");
            assert!(error.to_string().contains("goes_round"), "{error}");
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
            let error = links[0].awaits_round(far + 1).get().unwrap_err();
            assert!(error.to_string().contains("never end"), "{error}");
            // They still work.
            assert_eq!(links[0].goes_round(far).get().unwrap(), far);
            for link in &links {
                link.lets_go().get().unwrap();
            }
        }
    });
    nothing_left(&all);
}

#[raykit::remote]
fn waits_for(x: &i64) -> i64 {
    *x
}

#[raykit::remote]
fn runs_while(ms: u64) -> i64 {
    let until = Instant::now() + Duration::from_millis(ms);
    while Instant::now() < until && !crate::context().is_cancelled() {
        std::thread::yield_now();
    }
    7
}

/// Waits that last, in long chains over nodes, are no circles.
#[test]
fn a_long_wait_is_no_circle() {
    let mut world = World::new();
    let members = [world.join(2), world.join(2)];
    here(&members[0], || {
        let links = ring(&[&members[0], &members[1]]);
        let slow = runs_while::options().strategy(at(&members[1])).remote(2_600);
        let mut last = slow;
        for n in 0..6 {
            last = waits_for::options().strategy(at(&members[n % 2])).remote(&last);
        }
        let many: Vec<_> = (0..20).map(|_| links[0].goes_round(1)).collect();
        assert_eq!(crate::get(&many).unwrap(), [1; 20]);
        assert_eq!(last.get().unwrap(), 7);
        for link in &links {
            link.lets_go().get().unwrap();
        }
    });
    nothing_left(&members.iter().collect::<Vec<_>>());
}
