//! Faults that tests plant in the brain, to see that the simulator finds them. Outside of tests
//! nothing is ever planted, and the compiler drops the question.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The first node that lets go of an object frees it for all.
    EarlyFree,
    /// A node that lets go of some references is taken for one that has none.
    CountIgnored,
    /// A node that has let go is dropped from the list though another reference arrived meanwhile.
    GenerationIgnored,
    /// P1: a frame that arrives twice is taken twice.
    NoDedup,
    /// P7: what a lost link had under way is not sent again.
    NoResend,
    /// N9: the dead are listened to.
    NoFencing,
    /// A lost attempt is lent again under its own number.
    DoubleLease,
    /// The owner does not tell a lender that its reference has arrived.
    LostLent,
    /// A reference that was passed on is not held meanwhile.
    SidewaysUnpinned,
    /// S7: results of an attempt that was given up are taken.
    StaleRan,
    /// A node that asked for work and died is still given some.
    GiveToDead,
    /// The alcove of work hears of no death.
    DeathUntold,
    /// The alcove of references hears of no death.
    HoldersOfTheDead,
    /// A node that let go of an object and has it again is not told again what became of it.
    ToldOnce,
    /// What stands in an outcome is not kept with it.
    InnerUnpinned,
    /// Numbers of passed references are mixed up where an outcome follows.
    TokensMixed,
    /// A second lender is let go before the owner has heard of the first one's reference.
    LentTooEarly,
    /// A task that no node can run is looked at once only.
    InfeasibleForgotten,
    /// A link whose first packet was lost stays shut.
    ResumeOnce,
    /// An acknowledgement that was lost is not given again.
    AckOnce,
    /// What nodes hold of the objects of a dead one is waited for.
    DeadOwnerKept,
    /// A node that comes in is not told who has died before.
    GoneUntold,
    /// A node that was told that an object is gone lets go of it as if it had been counted.
    RefusedForgotten,
    /// A node that comes in is not told what the others have to do.
    LoadsUntold,
    /// S10: a placement group lies where it should as soon as one node has set something aside.
    HalfGroup,
    /// S10: what was set aside in vain is kept.
    ReservedForEver,
    /// A node that comes in is not told of placement groups.
    GroupsUntold,
    /// A node goes on without its head.
    HeadUnmissed,
    /// Who gives a stream is not told what was taken of it.
    CreditUntold,
    /// G7: items of an attempt that was given up are taken.
    StaleItem,
    /// Who runs what is not wanted any more is not told so.
    RevokeUntold,
    /// A call waits while something else is on its way, and those behind it do not.
    CallOvertaken,
    /// Calls are not given up with the node of their actor.
    CallsOfTheDead,
    /// Who is told to run what he runs already begins it once more.
    LeasedTwice,
    /// Anybody may say that a reference which was passed on is known.
    LentBelieved,
    /// A node that goes does not say so.
    LeaveUntold,
}

#[cfg(any(test, feature = "sim"))]
impl Bug {
    pub(crate) const ALL: [Bug; 36] = [
        Bug::EarlyFree,
        Bug::CountIgnored,
        Bug::GenerationIgnored,
        Bug::NoDedup,
        Bug::NoResend,
        Bug::NoFencing,
        Bug::DoubleLease,
        Bug::LostLent,
        Bug::SidewaysUnpinned,
        Bug::StaleRan,
        Bug::GiveToDead,
        Bug::DeathUntold,
        Bug::HoldersOfTheDead,
        Bug::ToldOnce,
        Bug::InnerUnpinned,
        Bug::TokensMixed,
        Bug::LentTooEarly,
        Bug::InfeasibleForgotten,
        Bug::ResumeOnce,
        Bug::AckOnce,
        Bug::DeadOwnerKept,
        Bug::GoneUntold,
        Bug::RefusedForgotten,
        Bug::LoadsUntold,
        Bug::HalfGroup,
        Bug::ReservedForEver,
        Bug::GroupsUntold,
        Bug::HeadUnmissed,
        Bug::CreditUntold,
        Bug::StaleItem,
        Bug::RevokeUntold,
        Bug::CallOvertaken,
        Bug::CallsOfTheDead,
        Bug::LeasedTwice,
        Bug::LentBelieved,
        Bug::LeaveUntold,
    ];
}

#[cfg(any(test, feature = "sim"))]
std::thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants that one in this thread, or none.
#[cfg(any(test, feature = "sim"))]
pub(crate) fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

#[cfg(any(test, feature = "sim"))]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

#[cfg(not(any(test, feature = "sim")))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
